// SPDX-License-Identifier: Apache-2.0
//! Ways in which Rust code calls Rust code, over and over in two threads until it is killed. Prints a line when it has begun.
use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::panic;

#[inline(never)]
fn burn(mut seed: u64) -> u64 {
    for _ in 0..black_box(60_000) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
    }
    black_box(seed)
}

#[inline(never)]
fn descend(depth: u32, seed: u64) -> u64 {
    if depth == 0 {
        return black_box(burn(seed)) + 1;
    }
    black_box(descend(depth - 1, seed.wrapping_add(depth as u64))).wrapping_mul(3)
}

#[inline(never)]
fn recursion_case(seed: u64) -> u64 {
    (0..20).fold(seed, |sum, _| black_box(descend(30, sum)))
}

#[inline(never)]
fn is_before(left: &u64, right: &u64) -> bool {
    let mut work = *left;
    for _ in 0..10 {
        work = black_box(work.wrapping_mul(3));
    }
    black_box(left < right)
}

#[inline(never)]
fn sort_case(seed: u64) -> u64 {
    let mut numbers: Vec<u64> = (0..3000u64)
        .map(|i| i.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    numbers.sort_by(|a, b| {
        if is_before(a, b) {
            std::cmp::Ordering::Less
        } else {
            std::cmp::Ordering::Greater
        }
    });
    black_box(numbers[numbers.len() / 2])
}

#[inline(never)]
fn call_back(function: &dyn Fn(u64) -> u64, seed: u64) -> u64 {
    black_box(function(seed)).wrapping_add(1)
}

#[inline(never)]
fn closure_case(seed: u64) -> u64 {
    let captured = vec![3u64; 100];
    (0..20).fold(seed, |sum, i| {
        call_back(&|value| burn(value ^ i) ^ captured[i as usize], sum)
    })
}

#[inline(never)]
fn collection_case(seed: u64) -> u64 {
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    let mut lengths: HashMap<usize, u64> = HashMap::new();
    for i in 0..1500u64 {
        let word = format!("word {} {:.3}", (seed ^ i) % 977, i as f64 / 7.0);
        *lengths.entry(word.len()).or_default() += 1;
        *words.entry(word).or_default() += i;
    }
    black_box((words.len() + lengths.len()) as u64)
}

#[inline(never)]
fn fall(depth: u32, seed: u64) -> u64 {
    if depth == 0 {
        burn(seed);
        panic!("as expected");
    }
    black_box(fall(depth - 1, seed ^ depth as u64)).wrapping_add(1)
}

#[inline(never)]
fn panic_case(seed: u64) -> u64 {
    (0..10).fold(seed, |sum, _| {
        sum ^ black_box(panic::catch_unwind(|| fall(8, sum)).is_err() as u64)
    })
}

#[inline(never)]
fn work(mut seed: u64) -> ! {
    loop {
        seed ^= recursion_case(seed);
        seed ^= sort_case(seed);
        seed ^= closure_case(seed);
        seed ^= collection_case(seed);
        seed ^= panic_case(seed);
    }
}

fn main() {
    panic::set_hook(Box::new(|_| {}));
    std::thread::spawn(|| work(7));
    println!("ready");
    work(3);
}
