//! CityHash of 64 bits in its version 1.0.2, which other databases have kept for their stored hashes.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;
const K3: u64 = 0xc949_d7c7_509e_6557;

pub(super) fn hash64_with_seed(bytes: &[u8], seed: u64) -> u64 {
    hash16(hash64(bytes).wrapping_sub(K2), seed)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn half(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")))
}

fn mix(value: u64) -> u64 {
    value ^ (value >> 47)
}

/// 128 bits become 64.
fn hash16(low: u64, high: u64) -> u64 {
    const FACTOR: u64 = 0x9ddf_ea08_eb38_2d69;
    let a = mix((low ^ high).wrapping_mul(FACTOR));
    mix((high ^ a).wrapping_mul(FACTOR)).wrapping_mul(FACTOR)
}

fn hash64(bytes: &[u8]) -> u64 {
    match bytes.len() {
        0..=16 => short(bytes),
        17..=32 => medium(bytes),
        33..=64 => long(bytes),
        _ => longer(bytes),
    }
}

fn short(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    if length > 8 {
        let (a, b) = (word(bytes, 0), word(bytes, length - 8));
        return hash16(a, b.wrapping_add(length as u64).rotate_right(length as u32)) ^ b;
    }
    if length >= 4 {
        return hash16((length as u64).wrapping_add(half(bytes, 0) << 3), half(bytes, length - 4));
    }
    if length == 0 {
        return K2;
    }
    let (a, b, c) = (u64::from(bytes[0]), u64::from(bytes[length >> 1]), u64::from(bytes[length - 1]));
    let (y, z) = (a + (b << 8), length as u64 + (c << 2));
    mix(y.wrapping_mul(K2) ^ z.wrapping_mul(K3)).wrapping_mul(K2)
}

fn medium(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let (a, b) = (word(bytes, 0).wrapping_mul(K1), word(bytes, 8));
    let (c, d) = (word(bytes, length - 8).wrapping_mul(K2), word(bytes, length - 16).wrapping_mul(K0));
    let low = a.wrapping_sub(b).rotate_right(43).wrapping_add(c.rotate_right(30)).wrapping_add(d);
    let high = a.wrapping_add((b ^ K3).rotate_right(20)).wrapping_sub(c).wrapping_add(length as u64);
    hash16(low, high)
}

fn long(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let half = |mut a: u64, z: u64, second: u64, third: u64| {
        let b = a.wrapping_add(z).rotate_right(52);
        let mut c = a.rotate_right(37);
        a = a.wrapping_add(second);
        c = c.wrapping_add(a.rotate_right(7));
        a = a.wrapping_add(third);
        (a.wrapping_add(z), b.wrapping_add(a.rotate_right(31)).wrapping_add(c))
    };
    let z = word(bytes, 24);
    let a = word(bytes, 0).wrapping_add((length as u64).wrapping_add(word(bytes, length - 16)).wrapping_mul(K0));
    let (first, second) = half(a, z, word(bytes, 8), word(bytes, 16));
    let a = word(bytes, 16).wrapping_add(word(bytes, length - 32));
    let (third, fourth) = half(a, word(bytes, length - 8), word(bytes, length - 24), word(bytes, length - 16));
    let r = mix(first.wrapping_add(fourth).wrapping_mul(K2).wrapping_add(third.wrapping_add(second).wrapping_mul(K0)));
    mix(r.wrapping_mul(K0).wrapping_add(second)).wrapping_mul(K2)
}

/// 32 bytes under two seeds.
fn weak(bytes: &[u8], mut a: u64, mut b: u64) -> (u64, u64) {
    let (w, x, y, z) = (word(bytes, 0), word(bytes, 8), word(bytes, 16), word(bytes, 24));
    a = a.wrapping_add(w);
    b = b.wrapping_add(a).wrapping_add(z).rotate_right(21);
    let c = a;
    a = a.wrapping_add(x).wrapping_add(y);
    b = b.wrapping_add(a.rotate_right(44));
    (a.wrapping_add(z), b.wrapping_add(c))
}

fn longer(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let mut x = word(bytes, 0);
    let mut y = word(bytes, length - 16) ^ K1;
    let mut z = word(bytes, length - 56) ^ K0;
    let mut v = weak(&bytes[length - 64..], length as u64, y);
    let mut w = weak(&bytes[length - 32..], (length as u64).wrapping_mul(K1), K0);
    z = z.wrapping_add(mix(v.1).wrapping_mul(K1));
    x = z.wrapping_add(x).rotate_right(39).wrapping_mul(K1);
    y = y.rotate_right(33).wrapping_mul(K1);
    for block in bytes[..(length - 1) & !63].chunks_exact(64) {
        x = x.wrapping_add(y).wrapping_add(v.0).wrapping_add(word(block, 16)).rotate_right(37).wrapping_mul(K1);
        y = y.wrapping_add(v.1).wrapping_add(word(block, 48)).rotate_right(42).wrapping_mul(K1);
        x ^= w.1;
        y ^= v.0;
        z = (z ^ w.0).rotate_right(33);
        v = weak(block, v.1.wrapping_mul(K1), x.wrapping_add(w.0));
        w = weak(&block[32..], z.wrapping_add(w.1), y);
        std::mem::swap(&mut z, &mut x);
    }
    let low = hash16(v.0, w.0).wrapping_add(mix(y).wrapping_mul(K1)).wrapping_add(z);
    hash16(low, hash16(v.1, w.1).wrapping_add(x))
}
