//! The machines of a program with a long-term key: when each is there, with which client and under which addresses. In: how the key is used;
//! out: hosts, of which at least one is there at any time.

use crate::{
    atlas::{Atlas, CITIES, NetworkKind},
    calendar::{Calendar, yearly},
    key::Usage,
    profile::Profile,
    rng::Rng,
};

/// A machine that holds the key, for some time.
#[derive(Debug)]
pub struct Host {
    pub from: i64,
    pub until: i64,
    pub agent: String,
    /// Under which it is seen, one as often as the others. None for what is rented for a job.
    pub addresses: Vec<String>,
}

impl Host {
    pub fn runs(&self, time: i64) -> bool {
        (self.from..self.until).contains(&time)
    }
}

/// The machines of a program. Each way to the internet is another one now and then, and a deployment gets another host.
pub fn all(
    usage: Usage,
    profile: &Profile,
    (atlas, calendar): (&Atlas, &Calendar),
    region: &'static str,
    rng: &mut Rng,
) -> Vec<Host> {
    let agent = (*rng.pick(profile.agents)).to_owned();
    let city = rng.index(CITIES.len());
    let place = rng.bits() >> 8;
    let office = |nth| atlas.nth(NetworkKind::Office, city, nth);
    let always = |addresses: Vec<String>| Host { from: i64::MIN, until: i64::MAX, agent: agent.clone(), addresses };
    let pool = |nth| (0..8).map(|gate| office(nth).address(place + gate)).collect::<Vec<_>>();
    let two = match usage {
        Usage::Endpoint | Usage::Runners | Usage::Laptop | Usage::TwoComputers => return vec![always(Vec::new())],
        Usage::Deployment => {
            let cities: Vec<usize> = (0..3).map(|nth| (city + 1 + nth * 7) % CITIES.len()).collect();
            let clouds = atlas.of_kind(NetworkKind::OtherCloud);
            let networks = [
                office(0),
                atlas.nth(NetworkKind::Hosting, cities[0], 0),
                atlas.nth(NetworkKind::Office, cities[1], 0),
                atlas.amazon(region),
                *rng.pick(&clouds),
            ];
            let mut places: Vec<String> = networks.iter().map(|network| network.address(rng.bits())).collect();
            rng.shuffle(&mut places);
            places.truncate(2 + rng.index(3));
            let mut hosts: Vec<Host> = places.into_iter().map(|address| always(vec![address])).collect();
            // One host in three runs another version of the program, or another program.
            for host in &mut hosts {
                if rng.chance(0.33) {
                    (*rng.pick(profile.agents)).clone_into(&mut host.agent);
                }
            }
            if let Some(from) = calendar.moment(yearly::HOST_ADDED, rng) {
                let address = atlas.nth(NetworkKind::Hosting, cities[2], 0).address(rng.bits());
                hosts.push(Host { from, ..always(vec![address]) });
            }
            return hosts;
        }
        Usage::NatPool => [pool(0), pool(1)],
        Usage::TwoLines => {
            [0, 1].map(|nth| vec![office(nth).address(place), atlas.nth(NetworkKind::Home, city, nth).address(place)])
        }
        Usage::DualStack => {
            // Now and then IPv6 comes by way of another provider: a tunnel.
            let by_tunnel = rng.chance(0.3);
            [city, (city + 1) % CITIES.len()].map(|city| {
                let v4 = atlas.nth(NetworkKind::Hosting, city, 0);
                let v6 = if by_tunnel { atlas.nth(NetworkKind::Hosting, (city + 5) % CITIES.len(), 0) } else { v4 };
                [Some(v4.address(place)), v6.address_v6(place)].into_iter().flatten().collect()
            })
        }
    };
    let [before, after] = two;
    match calendar.moment(yearly::NETWORK_CHANGES, rng) {
        None => vec![always(before)],
        Some(at) => vec![Host { until: at, ..always(before) }, Host { from: at, ..always(after) }],
    }
}
