//! Texts of the table: hosts, addresses, titles, search phrases, each a pure function of a number.

use crate::rng::mix;
use std::fmt::Write as _;

const WORDS: [&str; 64] = [
    "купить",
    "скачать",
    "погода",
    "москва",
    "бесплатно",
    "фильм",
    "онлайн",
    "работа",
    "карта",
    "новости",
    "рецепт",
    "цена",
    "отзывы",
    "официальный",
    "сайт",
    "видео",
    "смотреть",
    "игра",
    "для",
    "девочек",
    "машина",
    "авто",
    "дом",
    "квартира",
    "аренда",
    "телефон",
    "магазин",
    "одежда",
    "обувь",
    "санкт-петербург",
    "расписание",
    "поезд",
    "билет",
    "отдых",
    "турция",
    "hotel",
    "cheap",
    "flights",
    "review",
    "forum",
    "photo",
    "music",
    "mp3",
    "free",
    "download",
    "recipe",
    "weather",
    "today",
    "best",
    "price",
    "school",
    "test",
    "answers",
    "lyrics",
    "album",
    "series",
    "season",
    "update",
    "driver",
    "printer",
    "notebook",
    "galaxy",
    "windows",
    "crack",
];
const SITES: [&str; 12] =
    ["auto", "irr", "news", "forum", "shop", "mail", "wiki", "kino", "torg", "realty", "video", "games"];
const ZONES: [&str; 6] = ["ru", "ru", "com", "ua", "net", "org"];
const SECTIONS: [&str; 10] =
    ["catalog", "search", "item", "news", "users", "photo", "index", "topic", "product", "video"];
/// What small numbers of a host stand for: the engines that queries look for.
const KNOWN_HOSTS: [&str; 4] = ["www.google.ru", "google.com.tr", "yandex.ru", "go.mail.ru"];

/// Words of number `number`, at most `most`, apart by blanks.
pub(crate) fn phrase(number: u64, most: u64, to: &mut String) {
    let count = 1 + mix(number) % most;
    for place in 0..count {
        if place > 0 {
            to.push(' ');
        }
        // Squared: early words are common, late ones rare.
        let draw = (mix(number.wrapping_mul(31).wrapping_add(place)) % 4096) as f64 / 4096.0;
        to.push_str(WORDS[(draw * draw * WORDS.len() as f64) as usize]);
    }
    if number > 4000 {
        write!(to, " {}", number % 100_000).expect("writing to a string cannot fail");
    }
}

/// A host name; numbers below four are search engines.
pub(crate) fn host(number: u64, to: &mut String) {
    if let Some(known) = KNOWN_HOSTS.get(number as usize) {
        to.push_str(known);
        return;
    }
    let hash = mix(number);
    let prefix = if hash.is_multiple_of(3) { "www." } else { "" };
    let (site, zone) = (SITES[(hash >> 8) as usize % SITES.len()], ZONES[(hash >> 16) as usize % ZONES.len()]);
    write!(to, "{prefix}{site}{number}.{zone}").expect("writing to a string cannot fail");
}

/// An address on host `on`, page `page`.
pub(crate) fn url(on: u64, page: u64, to: &mut String) {
    let hash = mix(page ^ (on << 40));
    to.push_str(if hash.is_multiple_of(16) { "https://" } else { "http://" });
    host(on, to);
    let section = SECTIONS[(hash >> 8) as usize % SECTIONS.len()];
    write!(to, "/{section}/{:x}", hash >> 32).expect("writing to a string cannot fail");
    if !hash.is_multiple_of(4) {
        write!(to, "/{page}.html?lang=ru&id={}&from={section}", hash % 10_000_000)
            .expect("writing to a string cannot fail");
    }
}

/// A page's title; now and then it names Google.
pub(crate) fn title(page: u64, to: &mut String) {
    if mix(page).is_multiple_of(2000) {
        to.push_str("Google ");
    }
    phrase(page % 4000, 8, to);
    write!(to, " - {}", page % 1_000_003).expect("writing to a string cannot fail");
}
