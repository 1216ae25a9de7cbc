//! Places and networks: cities with coordinates, and the networks that people, workloads and attackers come from. The same table makes
//! the addresses in the events and the geography files (`geo-city.mmdb`, `geo-asn.mmdb`), so that the two agree.
//!
//! Providers of homes, mobiles and rented servers are made up (private-use AS numbers, invented names). Amazon, Microsoft and Google keep
//! their real AS numbers, because to tell a cloud provider's address from others is part of a detector's work.

/// A city: where people live and providers have their exits.
#[derive(Debug)]
pub struct City {
    pub name: &'static str,
    pub country: &'static str,
    pub latitude: f64,
    pub longitude: f64,
    /// Hours ahead of UTC (winter time all year).
    pub utc_offset: i64,
}

const fn city(name: &'static str, country: &'static str, latitude: f64, longitude: f64, utc_offset: i64) -> City {
    City { name, country, latitude, longitude, utc_offset }
}

pub static CITIES: &[City] = &[
    city("Berlin", "DE", 52.52, 13.405, 1),
    city("Dublin", "IE", 53.3498, -6.2603, 0),
    city("Lisbon", "PT", 38.7223, -9.1393, 0),
    city("Stockholm", "SE", 59.3293, 18.0686, 1),
    city("Warsaw", "PL", 52.2297, 21.0122, 1),
    city("London", "GB", 51.5072, -0.1276, 0),
    city("Paris", "FR", 48.8566, 2.3522, 1),
    city("New York", "US", 40.7128, -74.006, -5),
    city("Austin", "US", 30.2672, -97.7431, -6),
    city("Seattle", "US", 47.6062, -122.3321, -8),
    city("Toronto", "CA", 43.6532, -79.3832, -5),
    city("Sao Paulo", "BR", -23.5505, -46.6333, -3),
    city("Bengaluru", "IN", 12.9716, 77.5946, 5),
    city("Singapore", "SG", 1.3521, 103.8198, 8),
    city("Sydney", "AU", -33.8688, 151.2093, 10),
    city("Tokyo", "JP", 35.6762, 139.6503, 9),
    city("Bucharest", "RO", 44.4268, 26.1025, 2),
    city("Chisinau", "MD", 47.0105, 28.8638, 2),
    city("Ho Chi Minh City", "VN", 10.8231, 106.6297, 7),
    city("Lagos", "NG", 6.5244, 3.3792, 1),
    city("Amsterdam", "NL", 52.3676, 4.9041, 1),
    city("Helsinki", "FI", 60.1699, 24.9384, 2),
];

/// People live in the first of the cities; attackers' servers stand in all of them.
pub const HOME_CITIES: usize = 16;

/// What kind of network an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    Office,
    Home,
    Mobile,
    Vpn,
    Amazon,
    OtherCloud,
    Hosting,
}

/// One announced block of addresses.
#[derive(Clone, Debug)]
pub struct Network {
    pub kind: NetworkKind,
    pub asn: u32,
    pub organization: String,
    pub city: usize,
    /// First address of the IPv4 block, and its prefix length.
    pub v4: u32,
    pub v4_bits: u8,
    /// First address of the provider's IPv6 /32, where it has one.
    pub v6: Option<u128>,
}

impl Network {
    /// The `n`-th address of the block (wrapping, never the network or broadcast address).
    pub fn address(&self, n: u64) -> String {
        let hosts = (1u64 << (32 - self.v4_bits)) - 2;
        let [a, b, c, d] = (self.v4 + 1 + (n % hosts) as u32).to_be_bytes();
        format!("{a}.{b}.{c}.{d}")
    }

    /// An IPv6 address in the `n`-th /64 of the block. Numbers that differ in their lower 16 bits alone lie in one /48.
    pub fn address_v6(&self, n: u64) -> Option<String> {
        let first = self.v6?;
        let site = first | (u128::from(n & 0xffff_ffff) << 64) | u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Some(std::net::Ipv6Addr::from(site).to_string())
    }
}

/// All networks, with ways to find the right one.
#[derive(Debug)]
pub struct Atlas {
    pub networks: Vec<Network>,
}

/// First octets of the blocks that made-up providers get: ordinary unicast space.
const FIRST_OCTETS: [u32; 26] =
    [62, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 109, 176, 178, 188, 212, 217];

const CARRIERS: [&str; 6] =
    ["Nordline Broadband", "Telvia", "Cablenova", "Fibertree", "Quickwave", "Openloop Networks"];
const HOSTERS: [&str; 6] =
    ["Copperrack Hosting", "Bytebarn VPS", "Greycloud Servers", "Halfrack", "Fastpeer Cloud", "Oxbow Datacenters"];

/// Blocks inside the ranges that the clouds announce: (AS, organisation, region or "", city, block of 16 bits, IPv6 block of 32 bits or 0).
/// Amazon's are inside those of its `ip-ranges.json`.
const CLOUDS: &[(u32, &str, &str, usize, [u32; 2], u32)] = &[
    (16509, "AMAZON-02", "eu-west-1", 1, [54, 72], 0x2a05_d018),
    (16509, "AMAZON-02", "eu-central-1", 0, [3, 120], 0x2a05_d014),
    (14618, "AMAZON-AES", "us-east-1", 7, [54, 160], 0x2600_1f18),
    (16509, "AMAZON-02", "us-west-2", 9, [54, 184], 0x2600_1f14),
    (16509, "AMAZON-02", "ap-southeast-2", 14, [13, 210], 0x2406_da1c),
    (16509, "AMAZON-02", "eu-north-1", 3, [13, 48], 0x2a05_d016),
    (8075, "MICROSOFT-CORP-MSN-AS-BLOCK", "", 8, [20, 29], 0),
    (8075, "MICROSOFT-CORP-MSN-AS-BLOCK", "", 7, [20, 55], 0),
    (8075, "MICROSOFT-CORP-MSN-AS-BLOCK", "", 9, [52, 234], 0),
    (396982, "GOOGLE-CLOUD-PLATFORM", "", 20, [34, 90], 0),
];

impl Atlas {
    /// The atlas is the same for every seed: what differs is who uses which part of it.
    pub fn new() -> Atlas {
        let mut networks = Vec::new();
        let mut block = 0;
        for index in 0..CITIES.len() {
            for (kind, nth) in [
                (NetworkKind::Home, 0),
                (NetworkKind::Home, 1),
                (NetworkKind::Mobile, 2),
                (NetworkKind::Office, 3),
                (NetworkKind::Hosting, 4),
                (NetworkKind::Vpn, 5),
                // Where an office that moves goes to.
                (NetworkKind::Office, 6),
            ] {
                networks.push(provider(kind, index, nth, block));
                block += 1;
            }
        }
        for (asn, organization, region, index, octets, v6) in CLOUDS {
            networks.push(Network {
                kind: if region.is_empty() { NetworkKind::OtherCloud } else { NetworkKind::Amazon },
                asn: *asn,
                organization: (*organization).to_owned(),
                city: *index,
                v4: (octets[0] << 24) | (octets[1] << 16),
                v4_bits: 16,
                v6: (*v6 != 0).then(|| u128::from(*v6) << 96),
            });
        }
        Atlas { networks }
    }

    /// The networks of a kind in a city.
    pub fn in_city(&self, kind: NetworkKind, city: usize) -> impl Iterator<Item = &Network> {
        self.networks.iter().filter(move |network| network.kind == kind && network.city == city)
    }

    /// One of the networks of a kind in a city, which has them all but for those of clouds.
    pub fn nth(&self, kind: NetworkKind, city: usize, nth: usize) -> &Network {
        self.in_city(kind, city).nth(nth).unwrap_or(&self.networks[0])
    }

    /// The networks of a kind anywhere.
    pub fn of_kind(&self, kind: NetworkKind) -> Vec<&Network> {
        self.networks.iter().filter(|network| network.kind == kind).collect()
    }

    /// Amazon's block for a region; the first one for regions that the table has not.
    pub fn amazon(&self, region: &str) -> &Network {
        let nth = CLOUDS.iter().position(|cloud| cloud.2 == region).unwrap_or(0);
        &self.networks[self.networks.len() - CLOUDS.len() + nth]
    }
}

impl Default for Atlas {
    fn default() -> Self {
        Atlas::new()
    }
}

fn provider(kind: NetworkKind, city: usize, nth: usize, block: usize) -> Network {
    let octet = FIRST_OCTETS[block % FIRST_OCTETS.len()];
    let second = 16 + (block / FIRST_OCTETS.len()) as u32 * 31 + (block as u32 * 7) % 29;
    let place = CITIES[city].name;
    let organization = match kind {
        NetworkKind::Mobile => format!("{} Mobile", CARRIERS[(city + nth) % CARRIERS.len()]),
        NetworkKind::Office if nth == 3 => format!("{place} Business Fibre"),
        NetworkKind::Office => format!("{place} Metro Ethernet"),
        NetworkKind::Hosting => HOSTERS[city % HOSTERS.len()].to_owned(),
        NetworkKind::Vpn => "Tunnelwise VPN".to_owned(),
        _ => format!("{} {place}", CARRIERS[(city * 2 + nth) % CARRIERS.len()]),
    };
    let has_v6 = match kind {
        NetworkKind::Home | NetworkKind::Mobile => !city.is_multiple_of(3),
        NetworkKind::Hosting => true,
        _ => false,
    };
    Network {
        kind,
        // 64512 to 65534 are for private use (RFC 6996): no real provider is meant.
        asn: 64_512 + block as u32,
        organization,
        city,
        v4: (octet << 24) | (second << 16),
        v4_bits: 16,
        v6: has_v6.then(|| (0x2a0e_u128 << 112) | ((0x1000 + block as u128) << 96)),
    }
}
