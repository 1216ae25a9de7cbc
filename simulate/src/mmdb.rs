//! Writes MaxMind DB files (format 2.0, <https://maxmind.github.io/MaxMind-DB/>) for the networks of the atlas. In: networks with their
//! facts; out: the bytes of a file that every reader of the format opens.
//!
//! Written here because the format's writing half is a page of code, and the one crate that offers it is new.

use std::collections::BTreeMap;

use crate::atlas::{Atlas, CITIES, Network};

/// Values of the data section that our files need.
enum Value {
    Map(Vec<(&'static str, Value)>),
    Array(Vec<Value>),
    Text(String),
    Double(f64),
    U16(u16),
    U32(u32),
    U64(u64),
}

/// The file with city, country and coordinates, in the layout of GeoLite2-City.
pub fn city_file(atlas: &Atlas, built: i64) -> Vec<u8> {
    build(atlas, built, "Trailhound-Simulated-City", |network| {
        let city = &CITIES[network.city];
        let named = |name: &str| Value::Map(vec![("en", Value::Text(name.to_owned()))]);
        Value::Map(vec![
            ("city", Value::Map(vec![("names", named(city.name))])),
            ("country", Value::Map(vec![("iso_code", Value::Text(city.country.to_owned()))])),
            (
                "location",
                Value::Map(vec![
                    ("accuracy_radius", Value::U16(20)),
                    ("latitude", Value::Double(city.latitude)),
                    ("longitude", Value::Double(city.longitude)),
                ]),
            ),
        ])
    })
}

/// The file with the autonomous systems, in the layout of GeoLite2-ASN.
pub fn asn_file(atlas: &Atlas, built: i64) -> Vec<u8> {
    build(atlas, built, "Trailhound-Simulated-ASN", |network| {
        Value::Map(vec![
            ("autonomous_system_number", Value::U32(network.asn)),
            ("autonomous_system_organization", Value::Text(network.organization.clone())),
        ])
    })
}

/// A child in the search tree.
#[derive(Clone, Copy)]
enum Child {
    Empty,
    Node(u32),
    Leaf(u32),
}

fn build(atlas: &Atlas, built: i64, kind: &str, describe: impl Fn(&Network) -> Value) -> Vec<u8> {
    let mut nodes = vec![[Child::Empty; 2]];
    let mut section = Vec::new();
    let mut known: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for network in &atlas.networks {
        let mut encoded = Vec::new();
        encode(&mut encoded, &describe(network));
        let offset = *known.entry(encoded).or_insert_with_key(|encoded| {
            let offset = section.len() as u32;
            section.extend_from_slice(encoded);
            offset
        });
        insert(&mut nodes, u128::from(network.v4), 96 + u32::from(network.v4_bits), offset);
        if let Some(first) = network.v6 {
            insert(&mut nodes, first, 32, offset);
        }
    }
    let count = nodes.len() as u32;
    let mut file = Vec::with_capacity(nodes.len() * 8 + section.len() + 300);
    for child in nodes.iter().flatten() {
        let value = match child {
            Child::Empty => count,
            Child::Node(index) => *index,
            // Offsets of data start behind the tree and the 16 zero bytes that separate the sections.
            Child::Leaf(offset) => count + 16 + offset,
        };
        file.extend_from_slice(&value.to_be_bytes());
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&section);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    encode(&mut file, &metadata(count, built, kind));
    file
}

fn metadata(count: u32, built: i64, kind: &str) -> Value {
    Value::Map(vec![
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(built.max(0) as u64)),
        ("database_type", Value::Text(kind.to_owned())),
        (
            "description",
            Value::Map(vec![("en", Value::Text("Made-up networks of a simulated organisation".to_owned()))]),
        ),
        ("ip_version", Value::U16(6)),
        ("languages", Value::Array(vec![Value::Text("en".to_owned())])),
        ("node_count", Value::U32(count)),
        ("record_size", Value::U16(32)),
    ])
}

/// Adds a prefix of `bits` bits (of 128). IPv4 blocks lie under `::/96`, where readers look for them.
fn insert(nodes: &mut Vec<[Child; 2]>, first: u128, bits: u32, offset: u32) {
    let mut at = 0usize;
    for depth in 0..bits {
        let side = ((first >> (127 - depth)) & 1) as usize;
        if depth + 1 == bits {
            nodes[at][side] = Child::Leaf(offset);
            return;
        }
        at = match nodes[at][side] {
            Child::Node(index) => index as usize,
            _ => {
                nodes.push([Child::Empty; 2]);
                let index = nodes.len() - 1;
                nodes[at][side] = Child::Node(index as u32);
                index
            }
        };
    }
}

/// Appends a value: a control byte with type and size, then the payload.
fn encode(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Map(entries) => {
            control(out, 7, entries.len());
            for (key, value) in entries {
                control(out, 2, key.len());
                out.extend_from_slice(key.as_bytes());
                encode(out, value);
            }
        }
        Value::Array(items) => {
            control(out, 11, items.len());
            items.iter().for_each(|item| encode(out, item));
        }
        Value::Text(text) => {
            control(out, 2, text.len());
            out.extend_from_slice(text.as_bytes());
        }
        Value::Double(number) => {
            control(out, 3, 8);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::U16(number) => unsigned(out, 5, u64::from(*number)),
        Value::U32(number) => unsigned(out, 6, u64::from(*number)),
        Value::U64(number) => unsigned(out, 9, *number),
    }
}

fn unsigned(out: &mut Vec<u8>, kind: u8, number: u64) {
    let bytes = number.to_be_bytes();
    let skip = number.leading_zeros() as usize / 8;
    control(out, kind, 8 - skip);
    out.extend_from_slice(&bytes[skip..]);
}

/// Types above 7 are written as "extended": type 0, the size, and the type less 7 in a second byte. Sizes from 29 take another byte.
fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let (low, more) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    if kind > 7 {
        out.push(low);
        out.push(kind - 7);
    } else {
        out.push((kind << 5) | low);
    }
    out.extend(more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use maxminddb::{Reader, geoip2};

    #[test]
    fn a_reader_finds_every_network() {
        let atlas = Atlas::new();
        let cities = Reader::from_source(city_file(&atlas, 1_700_000_000)).unwrap();
        let systems = Reader::from_source(asn_file(&atlas, 1_700_000_000)).unwrap();
        for network in &atlas.networks {
            let mut addresses = vec![network.address(0), network.address(77_777)];
            addresses.extend(network.address_v6(5));
            for address in addresses {
                let ip: std::net::IpAddr = address.parse().unwrap();
                let city: geoip2::City = cities.lookup(ip).unwrap().decode().unwrap().unwrap();
                assert_eq!(city.country.iso_code, Some(CITIES[network.city].country), "{address}");
                assert_eq!(city.location.latitude, Some(CITIES[network.city].latitude));
                let system: geoip2::Asn = systems.lookup(ip).unwrap().decode().unwrap().unwrap();
                assert_eq!(system.autonomous_system_number, Some(network.asn), "{address}");
                assert_eq!(system.autonomous_system_organization, Some(network.organization.as_str()));
            }
        }
        assert!(!cities.lookup("1.2.3.4".parse().unwrap()).unwrap().has_data());
        assert_eq!(cities.metadata().database_type, "Trailhound-Simulated-City");
    }

    #[test]
    fn no_two_networks_overlap() {
        let atlas = Atlas::new();
        let mut blocks: Vec<u32> = atlas.networks.iter().map(|network| network.v4 >> 16).collect();
        blocks.sort_unstable();
        let count = blocks.len();
        blocks.dedup();
        assert_eq!(blocks.len(), count);
    }
}
