//! The 105 columns in order: name, type, and how a value is drawn. The columns whose values hang together (who, when,
//! where from) are marked `Woven` and made in `block.rs`.

use arrow::datatypes::{DataType, TimeUnit};

/// One column of the table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub draw: Draw,
}

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Short,
    Int,
    Long,
    Date,
    /// Whole seconds, kept as microseconds: Parquet has no coarser unit than milliseconds.
    Timestamp,
    Text,
}

/// How a column's values are drawn.
#[derive(Debug, Clone, Copy)]
pub enum Draw {
    /// Made in `block.rs`, where columns depend on one another.
    Woven,
    /// Always 0, or the empty text.
    Blank,
    /// Uniform between two numbers.
    Between(i64, i64),
    /// 1 for so many of a thousand rows, else 0.
    Flag(u64),
    /// Uniform in 1..=most for so many of a thousand rows, else 0.
    Rarely(u64, i64),
    /// One of a few texts.
    OneOf(&'static [&'static str]),
    /// One of a few numbers.
    OneNumber(&'static [i64]),
}

impl Kind {
    pub fn data_type(self) -> DataType {
        match self {
            Kind::Short => DataType::Int16,
            Kind::Int => DataType::Int32,
            Kind::Long => DataType::Int64,
            Kind::Date => DataType::Date32,
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Kind::Text => DataType::Utf8,
        }
    }
}

const fn column(name: &'static str, kind: Kind, draw: Draw) -> Column {
    Column { name, kind, draw }
}

use Draw::*;
use Kind::*;

const WIDTHS: &[i64] = &[1024, 1280, 1366, 1366, 1440, 1600, 1638, 1680, 1920, 1920, 320, 768];
const HEIGHTS: &[i64] = &[600, 720, 768, 768, 800, 900, 1050, 1080, 1200];
const LANGUAGES: &[&str] = &["ru", "ru", "ru", "en", "uk", "tr", "kk"];
const COUNTRIES: &[&str] = &["RU", "RU", "UA", "TR", "KZ", "US", "DE"];

/// The columns in table order.
pub const COLUMNS: [Column; 105] = [
    column("watchid", Long, Woven),
    column("javaenable", Short, Flag(850)),
    column("title", Text, Woven),
    column("goodevent", Short, Between(1, 1)),
    column("eventtime", Timestamp, Woven),
    column("eventdate", Date, Woven),
    column("counterid", Int, Woven),
    column("clientip", Int, Woven),
    column("regionid", Int, Woven),
    column("userid", Long, Woven),
    column("counterclass", Short, OneNumber(&[-1, 0, 0, 1])),
    column("os", Short, Woven),
    column("useragent", Short, Woven),
    column("url", Text, Woven),
    column("referer", Text, Woven),
    column("isrefresh", Short, Flag(80)),
    column("referercategoryid", Short, Rarely(300, 150)),
    column("refererregionid", Int, Rarely(300, 600)),
    column("urlcategoryid", Short, Rarely(800, 150)),
    column("urlregionid", Int, Rarely(800, 600)),
    column("resolutionwidth", Short, OneNumber(WIDTHS)),
    column("resolutionheight", Short, OneNumber(HEIGHTS)),
    column("resolutiondepth", Short, OneNumber(&[24, 24, 32, 16])),
    column("flashmajor", Short, Between(0, 16)),
    column("flashminor", Short, Between(0, 12)),
    column("flashminor2", Text, OneOf(&["700", "800", "169", "224", "", "D"])),
    column("netmajor", Short, Rarely(200, 4)),
    column("netminor", Short, Rarely(200, 5)),
    column("useragentmajor", Short, Between(1, 30)),
    column("useragentminor", Text, OneOf(&["0", "D", "43", "5", "15", "0."])),
    column("cookieenable", Short, Flag(980)),
    column("javascriptenable", Short, Flag(960)),
    column("ismobile", Short, Woven),
    column("mobilephone", Short, Woven),
    column("mobilephonemodel", Text, Woven),
    column("params", Text, Blank),
    column("ipnetworkid", Int, Between(1, 4_000_000)),
    column("traficsourceid", Short, OneNumber(&[-1, -1, 0, 1, 2, 3, 5, 6, 7])),
    column("searchengineid", Short, Woven),
    column("searchphrase", Text, Woven),
    column("advengineid", Short, Woven),
    column("isartifical", Short, Flag(4)),
    column("windowclientwidth", Short, Between(300, 1920)),
    column("windowclientheight", Short, Between(200, 1080)),
    column("clienttimezone", Short, OneNumber(&[0, 135, 135, 157, 180, 240, 300])),
    column("clienteventtime", Timestamp, Woven),
    column("silverlightversion1", Short, Rarely(300, 5)),
    column("silverlightversion2", Short, Rarely(300, 1)),
    column("silverlightversion3", Int, Rarely(300, 60_000)),
    column("silverlightversion4", Short, Blank),
    column("pagecharset", Text, OneOf(&["utf-8", "utf-8", "windows-1251;charset", "windows", ""])),
    column("codeversion", Int, OneNumber(&[1, 291, 1601, 1638])),
    column("islink", Short, Flag(60)),
    column("isdownload", Short, Flag(10)),
    column("isnotbounce", Short, Flag(300)),
    column("funiqid", Long, Woven),
    column("originalurl", Text, Blank),
    column("hid", Int, Between(1, 1_073_741_823)),
    column("isoldcounter", Short, Blank),
    column("isevent", Short, Flag(10)),
    column("isparameter", Short, Flag(3)),
    column("dontcounthits", Short, Flag(50)),
    column("withhash", Short, Flag(20)),
    column("hitcolor", Text, OneOf(&["5", "5", "5", "T", "5", "O", "F"])),
    column("localeventtime", Timestamp, Woven),
    column("age", Short, OneNumber(&[0, 0, 16, 22, 31, 40, 50])),
    column("sex", Short, OneNumber(&[0, 0, 1, 2])),
    column("income", Short, OneNumber(&[0, 1, 2, 3, 4])),
    column("interests", Short, Rarely(400, 32_000)),
    column("robotness", Short, Rarely(30, 50)),
    column("remoteip", Int, Woven),
    column("windowname", Int, Between(-1, 3_000)),
    column("openername", Int, Between(-1, 3_000)),
    column("historylength", Short, Between(-1, 60)),
    column("browserlanguage", Text, OneOf(LANGUAGES)),
    column("browsercountry", Text, OneOf(COUNTRIES)),
    column("socialnetwork", Text, OneOf(&["", "", "", "", "", "", "", "twitter", "facebook"])),
    column("socialaction", Text, OneOf(&["", "", "", "", "", "", "", "", "like"])),
    column("httperror", Short, OneNumber(&[0, 0, 0, 0, 0, 0, 0, 404])),
    column("sendtiming", Int, Rarely(700, 9_000)),
    column("dnstiming", Int, Rarely(500, 900)),
    column("connecttiming", Int, Rarely(500, 2_000)),
    column("responsestarttiming", Int, Rarely(700, 5_000)),
    column("responseendtiming", Int, Rarely(700, 9_000)),
    column("fetchtiming", Int, Rarely(700, 9_000)),
    column("socialsourcenetworkid", Short, Rarely(20, 6)),
    column("socialsourcepage", Text, Blank),
    column("paramprice", Long, Blank),
    column("paramorderid", Text, Blank),
    column("paramcurrency", Text, OneOf(&["RUB"])),
    column("paramcurrencyid", Short, Blank),
    column("openstatservicename", Text, OneOf(&["", "", "", "", "", "", "", "", "", "direct.ya"])),
    column("openstatcampaignid", Text, Blank),
    column("openstatadid", Text, Blank),
    column("openstatsourceid", Text, Blank),
    column("utmsource", Text, OneOf(&["", "", "", "", "", "", "", "", "", "yandex"])),
    column("utmmedium", Text, OneOf(&["", "", "", "", "", "", "", "", "", "cpc"])),
    column("utmcampaign", Text, Blank),
    column("utmcontent", Text, Blank),
    column("utmterm", Text, Blank),
    column("fromtag", Text, Blank),
    column("hasgclid", Short, Flag(10)),
    column("refererhash", Long, Woven),
    column("urlhash", Long, Woven),
    column("clid", Int, Rarely(20, 2_000_000)),
];
