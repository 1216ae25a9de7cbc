//! The APIs that are called, and what their records carry. In: two text files beside the code, one line an API; out: shapes whose
//! templates are taken apart once and filled in for each event.

use std::collections::HashMap;

use crate::{
    ids,
    organisation::Account,
    rng::{Rng, mix},
};

const SHAPES: &str = include_str!("../catalogue/shapes.txt");
const SCANNER: &str = include_str!("../catalogue/scanner.txt");

/// One API as CloudTrail records it.
#[derive(Debug)]
pub struct Shape {
    /// Service, as in `eventSource` without `.amazonaws.com`.
    pub service: &'static str,
    pub name: &'static str,
    pub read_only: bool,
    pub data: bool,
    request: Template,
    response: Template,
    resources: Template,
}

/// JSON text with places to fill in. No pieces at all means null, or absent for `resources`.
#[derive(Debug, Default)]
struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(&'static str),
    Word { pool: Option<Pool>, word: &'static str, salt: u64 },
}

/// What an account has many of, and events name: each account has its own list of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pool {
    Bucket,
    Instance,
    Volume,
    Snapshot,
    Image,
    Group,
    Subnet,
    Vpc,
    Interface,
    Role,
    User,
    Function,
    Table,
    Queue,
    Topic,
    Secret,
    Key,
    LogGroup,
    Stack,
    Cluster,
    Service,
    Database,
    Repository,
    Parameter,
    Alarm,
    Machine,
    Distribution,
    Zone,
    Stream,
    Policy,
    Trail,
    Detector,
    NatAddress,
}

/// The word in a template for each pool. In the order of `Pool`, which indexes an account's lists.
pub const POOLS: &[(Pool, &str)] = &[
    (Pool::Bucket, "bucket"),
    (Pool::Instance, "instance"),
    (Pool::Volume, "volume"),
    (Pool::Snapshot, "snapshot"),
    (Pool::Image, "image"),
    (Pool::Group, "group"),
    (Pool::Subnet, "subnet"),
    (Pool::Vpc, "vpc"),
    (Pool::Interface, "eni"),
    (Pool::Role, "role"),
    (Pool::User, "user"),
    (Pool::Function, "function"),
    (Pool::Table, "table"),
    (Pool::Queue, "queue"),
    (Pool::Topic, "topic"),
    (Pool::Secret, "secret"),
    (Pool::Key, "kmskey"),
    (Pool::LogGroup, "loggroup"),
    (Pool::Stack, "stack"),
    (Pool::Cluster, "cluster"),
    (Pool::Service, "service"),
    (Pool::Database, "database"),
    (Pool::Repository, "repository"),
    (Pool::Parameter, "parameter"),
    (Pool::Alarm, "alarm"),
    (Pool::Machine, "machine"),
    (Pool::Distribution, "distribution"),
    (Pool::Zone, "zone"),
    (Pool::Stream, "stream"),
    (Pool::Policy, "policy"),
    (Pool::Trail, "trail"),
    (Pool::Detector, "detector"),
    (Pool::NatAddress, "natip"),
];

/// What is known when a shape is filled in.
pub struct Filling<'a> {
    pub account: &'a Account,
    pub region: &'a str,
    pub time: i64,
    /// Decides every word: the same draw gives the same record.
    pub draw: u64,
    /// The instance that calls, for records an instance writes about itself.
    pub own_instance: Option<&'a str>,
}

/// Buffers for the three bodies of a record, used again for every event.
#[derive(Debug, Default)]
pub struct Bodies {
    pub request: Vec<u8>,
    pub response: Vec<u8>,
    pub resources: Vec<u8>,
}

impl Shape {
    /// Fills the bodies in; null is written as `null`, absent resources as nothing.
    pub fn fill(&self, filling: &Filling, bodies: &mut Bodies) {
        bodies.request.clear();
        bodies.response.clear();
        bodies.resources.clear();
        self.request.fill(filling, &mut bodies.request);
        self.response.fill(filling, &mut bodies.response);
        self.resources.fill(filling, &mut bodies.resources);
        if bodies.request.is_empty() {
            bodies.request.extend_from_slice(b"null");
        }
        if bodies.response.is_empty() {
            bodies.response.extend_from_slice(b"null");
        }
    }
}

impl Template {
    fn parse(text: &'static str) -> Template {
        let mut pieces = Vec::new();
        let mut rest = text.trim();
        while let Some(open) = rest.find('<') {
            let Some(close) = rest[open..].find('>').map(|at| at + open) else { break };
            if open > 0 {
                pieces.push(Piece::Text(&rest[..open]));
            }
            let word = &rest[open + 1..close];
            let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
            let pool = POOLS.iter().find(|(_, name)| *name == stem).map(|(pool, _)| *pool);
            let salt = word.bytes().fold(17, |hash, byte| mix(hash, &[u64::from(byte)]));
            pieces.push(Piece::Word { pool, word, salt });
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest));
        }
        Template(pieces)
    }

    fn fill(&self, filling: &Filling, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Word { pool: Some(Pool::Instance), .. } if filling.own_instance.is_some() => {
                    out.extend_from_slice(filling.own_instance.unwrap_or_default().as_bytes());
                }
                Piece::Word { pool: Some(pool), salt, .. } => {
                    let mut rng = word_rng(filling.draw, *salt);
                    out.extend_from_slice(filling.account.name(*pool, &mut rng).as_bytes());
                }
                Piece::Word { pool: None, word, salt } => {
                    fill_word(word, filling, &mut word_rng(filling.draw, *salt), out)
                }
            }
        }
    }
}

/// A light generator: one draw and one word give the same text wherever the word stands in the record.
fn word_rng(draw: u64, salt: u64) -> Rng {
    Rng::derive(draw, &[salt])
}

fn fill_word(word: &str, filling: &Filling, rng: &mut Rng, out: &mut Vec<u8>) {
    let put = |out: &mut Vec<u8>, text: &str| out.extend_from_slice(text.as_bytes());
    match word {
        "account" => put(out, &filling.account.id),
        "region" => put(out, filling.region),
        "uuid" | "uuid2" | "uuid3" => ids::push_uuid(out, ids::uuid(rng)),
        "hex8" => ids::push_hex(out, 8, rng),
        "hex16" => ids::push_hex(out, 16, rng),
        "hex32" | "hex32b" => ids::push_hex(out, 32, rng),
        "hex40" => ids::push_hex(out, 40, rng),
        "base44" => {
            ids::push_base64(out, 43, rng);
            out.push(b'=');
        }
        "now" => ids::push_time(out, filling.time),
        "java" => put(out, &ids::java_time(filling.time)),
        "millis" => put(out, &format!("{}000", filling.time)),
        "epoch" => put(out, &filling.time.to_string()),
        "date" => {
            let mut text = Vec::with_capacity(20);
            ids::push_time(&mut text, filling.time);
            out.extend_from_slice(&text[..10]);
        }
        "small" => put(out, &rng.range(1, 60).to_string()),
        "octet" => put(out, &rng.below(250).to_string()),
        "int" => put(out, &rng.range(10_000, 90_000_000).to_string()),
        "privateip" => put(out, &private_address(rng, ".")),
        "daship" => put(out, &private_address(rng, "-")),
        "mac" => put(
            out,
            &format!(
                "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
                rng.below(256),
                rng.below(256),
                rng.below(256),
                rng.below(256),
                rng.below(256)
            ),
        ),
        "akia" => {
            let account = filling.account.number;
            put(out, &ids::access_key("AKIA", account, rng));
        }
        "object" => object_key(filling, rng, out),
        _ => put(out, rng.pick::<&str>(crate::names::WORDS)),
    }
}

fn private_address(rng: &mut Rng, separator: &str) -> String {
    format!("10{separator}{}{separator}{}{separator}{}", rng.below(60), rng.below(250), rng.range(4, 250))
}

fn object_key(filling: &Filling, rng: &mut Rng, out: &mut Vec<u8>) {
    let word = rng.pick(crate::names::WORDS);
    out.extend_from_slice(word.as_bytes());
    if rng.chance(0.6) {
        let (year, month, day) = ids::civil(filling.time);
        out.extend_from_slice(
            format!("/year={year}/month={month:02}/day={day:02}/part-{:05}-", rng.below(400)).as_bytes(),
        );
        ids::push_uuid(out, ids::uuid(rng));
        out.extend_from_slice(b".c000.snappy.parquet");
    } else {
        out.push(b'/');
        ids::push_hex(out, 8, rng);
        out.extend_from_slice(rng.pick(&[".json", ".csv.gz", ".jpg", ".pdf", "/index.html"][..]).as_bytes());
    }
}

/// All shapes, by service and name.
#[derive(Debug)]
pub struct Catalogue {
    shapes: Vec<Shape>,
    by_name: HashMap<(&'static str, &'static str), usize>,
    /// Every read of management: what a posture scanner calls.
    pub scanner: Vec<usize>,
}

impl Catalogue {
    pub fn load() -> Catalogue {
        let mut shapes: Vec<Shape> = SHAPES.lines().filter_map(shape).collect();
        for line in SCANNER.lines().filter(|line| !line.starts_with('#')) {
            let Some((service, names)) = line.split_once(':') else { continue };
            shapes.extend(names.split_whitespace().map(|name| bare(service, name)));
        }
        let by_name = shapes.iter().enumerate().map(|(index, shape)| ((shape.service, shape.name), index)).collect();
        let scanner = shapes
            .iter()
            .enumerate()
            .filter(|(_, shape)| {
                shape.read_only
                    && !shape.data
                    && !matches!(
                        shape.name,
                        "GetSecretValue" | "GetPasswordData" | "GetMessages" | "Decrypt" | "GetSessionToken"
                    )
            })
            .map(|(index, _)| index)
            .collect();
        Catalogue { shapes, by_name, scanner }
    }

    pub fn get(&self, index: usize) -> &Shape {
        &self.shapes[index]
    }

    #[cfg(test)]
    pub fn all(&self) -> &[Shape] {
        &self.shapes
    }

    /// The shape of `service:Name`.
    ///
    /// # Panics
    /// When there is none: the names come from this crate's own tables, and a test walks through all of them.
    pub fn find(&self, name: &str) -> usize {
        let key = name.split_once(':').and_then(|(service, name)| self.by_name.get(&(service, name)));
        *key.unwrap_or_else(|| panic!("{name} stands in no catalogue file"))
    }
}

fn shape(line: &'static str) -> Option<Shape> {
    if line.starts_with('#') || line.trim().is_empty() {
        return None;
    }
    let mut parts = line.split('|');
    let mut head = parts.next()?.split_whitespace();
    let (service, name, flags) = (head.next()?, head.next()?, head.next()?);
    let mut template = || Template::parse(parts.next().unwrap_or_default());
    Some(Shape {
        service,
        name,
        read_only: flags.contains('r'),
        data: flags.contains('d'),
        request: template(),
        response: template(),
        resources: template(),
    })
}

fn bare(service: &'static str, name: &'static str) -> Shape {
    Shape {
        service: service.trim(),
        name,
        read_only: true,
        data: false,
        request: Template::default(),
        response: Template::default(),
        resources: Template::default(),
    }
}
