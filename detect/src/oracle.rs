//! What the shipped rules with memory find, in made-up organisations: the same as a plain reference finds, however the
//! events come; and that these tests would notice if the engine were wrong.
//!
//! A few seeds are tried by default. More of them, or one again that failed (an inclusive range):
//! ```text
//! TRAILHOUND_SEEDS=1-200 cargo test --release --workspace --locked --lib -- oracle --nocapture
//! ```

mod reference;
mod run;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Instant;

use reference::{DAY, Findings, HOUR, Rule};
use run::{Outcome, Way, run};
use world::{Dice, Told, World};

use crate::fault::{self, Fault};
use crate::rule::{File, read_folder};

/// The shipped rules with their cases, and the headers of those with memory and of those whose findings are attacks.
struct Shipped {
    files: Vec<File>,
    rules: Vec<Rule>,
}

impl Shipped {
    fn read() -> Shipped {
        let files = read_folder(Path::new("../rules")).unwrap();
        let rules = files.iter().filter_map(Rule::read).filter(Rule::is_judged).collect();
        Shipped { files, rules }
    }

    fn ids(&self) -> BTreeSet<&str> {
        self.rules.iter().filter(|rule| rule.has_memory()).map(|rule| rule.id.as_str()).collect()
    }

    /// An organisation with a case of each rule; that of the first seed makes each rule fire.
    fn world(&self, seed: u64) -> World {
        let told = if seed == 1 { Told::Plainly } else { Told::Freely };
        World::new(seed, &self.files, &self.ids(), told)
    }

    /// The cases of some rules, freely told.
    fn some_cases(&self, seed: u64, rules: usize) -> World {
        let mut ids: Vec<&str> = self.ids().into_iter().collect();
        Dice::new(seed).shuffle(&mut ids);
        World::of_cases(seed, &self.files, &ids.into_iter().take(rules).collect(), Told::Freely)
    }

    /// What differs between the engine's findings and the reference's, in words.
    async fn differences(&self, outcome: &Outcome) -> Vec<String> {
        let wanted = reference::findings(&outcome.store, &self.rules).await;
        self.compare(&outcome.findings, &wanted)
    }

    fn compare(&self, got: &Findings, wanted: &Findings) -> Vec<String> {
        let ids = self.ids();
        let got: Findings = got
            .iter()
            .filter(|((rule, _), _)| ids.contains(rule.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let missing = wanted.iter().filter(|(key, _)| !got.contains_key(key)).map(|f| format!("not found: {f:#?}"));
        let more = got.iter().filter(|(key, _)| !wanted.contains_key(key)).map(|f| format!("found too much: {f:#?}"));
        let other = wanted.iter().filter_map(|(key, wanted)| {
            let got = got.get(key).filter(|got| *got != wanted)?;
            Some(format!("{key:?}: got {got:#?}\nwanted {wanted:#?}"))
        });
        missing.chain(more).chain(other).collect()
    }
}

/// The seeds to try: those that are asked for, or a few.
fn seeds(few: RangeInclusive<u64>) -> RangeInclusive<u64> {
    let Ok(asked) = std::env::var("TRAILHOUND_SEEDS") else { return few };
    let (from, to) = asked.split_once('-').expect("TRAILHOUND_SEEDS is a range such as 1-200");
    from.parse().unwrap()..=to.parse().unwrap()
}

/// Events by time, cut into so many objects.
fn by_time(world: &World, objects: usize) -> Vec<Vec<u32>> {
    let mut rows: Vec<u32> = (0..world.times.len() as u32).collect();
    rows.sort_by_key(|row| world.times[*row as usize]);
    cut(&rows, objects)
}

fn cut(rows: &[u32], objects: usize) -> Vec<Vec<u32>> {
    rows.chunks(rows.len().div_ceil(objects)).map(<[u32]>::to_vec).collect()
}

/// Each event as many times, anywhere.
fn shuffled(world: &World, times: usize, objects: usize, dice: &mut Dice) -> Vec<Vec<u32>> {
    let rows = 0..world.times.len() as u32;
    let mut rows: Vec<u32> = std::iter::repeat_n(rows, times).flatten().collect();
    dice.shuffle(&mut rows);
    cut(&rows, objects)
}

/// Two days are missing when they should come; they come at the end, the newest first.
fn outage(world: &World, objects: usize, dice: &mut Dice) -> Vec<Vec<u32>> {
    let newest = world.times.iter().max().unwrap();
    let begin = newest - (2 + dice.roll(9) as i64) * DAY - dice.roll(24) as i64 * HOUR;
    let missing = |row: &u32| (begin..begin + 2 * DAY).contains(&world.times[*row as usize]);
    let all: Vec<u32> = by_time(world, 1).concat();
    let (mut late, mut rows): (Vec<u32>, Vec<u32>) = all.into_iter().partition(missing);
    late.reverse();
    rows.extend(late);
    cut(&rows, objects)
}

#[tokio::test]
async fn every_shipped_rule_finds_what_the_reference_finds() {
    let shipped = Shipped::read();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let seeds = seeds(1..=2);
    for seed in seeds.clone() {
        let begun = Instant::now();
        let world = shipped.world(seed);
        let way = Way { restart_every: 3, ..Way::new("by time", by_time(&world, 12), 2) };
        let outcome = run(&world, &shipped.files, &way).await;
        let differences = shipped.differences(&outcome).await;
        assert!(
            differences.is_empty(),
            "TRAILHOUND_SEEDS={seed}-{seed} replays {} differences; the first:\n{}",
            differences.len(),
            differences[0]
        );
        outcome.findings.keys().for_each(|(rule, _)| *found.entry(rule.clone()).or_default() += 1);
        println!(
            "seed {seed}: {} events, {} findings, {:.1?}",
            world.times.len(),
            outcome.findings.len(),
            begun.elapsed()
        );
    }
    // The first seed's organisation has a case of each rule that fires.
    let silent: Vec<&str> = shipped.ids().into_iter().filter(|rule| !found.contains_key(*rule)).collect();
    assert!(silent.is_empty() || !seeds.contains(&1), "nothing was compared for {silent:?}");
}

#[tokio::test]
async fn the_same_events_make_the_same_findings_however_they_come() {
    let shipped = Shipped::read();
    for seed in seeds(3..=3) {
        let world = shipped.some_cases(seed, 24);
        let dice = &mut Dice::new(seed);
        let whole = run(&world, &shipped.files, &Way::new("whole", by_time(&world, 1), 1)).await;
        assert!(whole.texts.len() >= 5, "only {} findings to compare", whole.texts.len());
        let future = world.with_future();
        let mut backwards = by_time(&world, 32);
        backwards.reverse();
        let ways = [
            Way { memory: 3_000, ..Way::new("one object at a time, hardly any memory", by_time(&world, 30), 1) },
            Way { restart_every: 4, ..Way::new("backwards", backwards, 5) },
            Way { memory: 3_000, ..Way::new("shuffled, hardly any memory", shuffled(&world, 1, 24, dice), 6) },
            Way { fail_every: 2, ..Way::new("three times each", shuffled(&world, 3, 30, dice), 5) },
            Way { memory: 1 << 20, restart_every: 3, ..Way::new("an outage", outage(&world, 32, dice), 4) },
            Way { memory: 100_000, ..Way::new("one dated 2099, first or last", shuffled(&future, 1, 12, dice), 6) },
        ];
        for way in ways {
            let begun = Instant::now();
            let other = run(if way.name.contains("2099") { &future } else { &world }, &shipped.files, &way).await;
            let replay = format!("{} (TRAILHOUND_SEEDS={seed}-{seed} replays it)", way.name);
            for (id, text) in &whole.texts {
                assert_eq!(other.texts.get(id), Some(text), "{replay}");
            }
            let more: Vec<_> = other.texts.iter().filter(|(id, _)| !whole.texts.contains_key(*id)).collect();
            assert!(more.is_empty(), "{replay}: found too much {more:#?}");
            println!("seed {seed}, {}: {} findings, {:.1?}", way.name, other.texts.len(), begun.elapsed());
        }
    }
}

/// Each bug shows in some of a few organisations, where without it there is no difference.
#[tokio::test]
async fn what_is_wrong_in_the_engine_is_noticed() {
    let shipped = Shipped::read();
    let mut unnoticed = Fault::ALWAYS.to_vec();
    for seed in seeds(9..=14) {
        if unnoticed.is_empty() {
            break;
        }
        let world = shipped.some_cases(seed, 24);
        let way = Way::new("shuffled", shuffled(&world, 1, 4, &mut Dice::new(seed)), 1);
        let sound = run(&world, &shipped.files, &way).await;
        assert_eq!(shipped.differences(&sound).await, Vec::<String>::new());
        let mut still = Vec::new();
        for fault in unnoticed {
            let wrong = {
                let _seeded = fault::seed(fault);
                run(&world, &shipped.files, &way).await
            };
            let differences = shipped.differences(&wrong).await.len();
            println!("seed {seed}, {fault:?}: {differences} differences");
            if differences == 0 {
                still.push(fault);
            }
        }
        unnoticed = still;
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?} was not noticed");
}
