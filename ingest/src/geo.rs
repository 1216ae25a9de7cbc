//! Country, place and autonomous system of an address, from MaxMind-format files that the operator names.
//!
//! Nothing is shipped: without a file the columns are null. A file is read whole and read again when it has changed;
//! a changed file that cannot be read is reported and the one before stays in use.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use maxminddb::{Reader, geoip2};

/// What is known of one address.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    pub country: Option<String>,
    pub asn: Option<u32>,
    pub as_org: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

/// A GeoIP file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    #[error("cannot read the GeoIP file {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not a MaxMind-format file (GeoLite2, DB-IP Lite, IPinfo Lite and the like have the ending .mmdb)", path.display())]
    Format { path: PathBuf, source: maxminddb::MaxMindDbError },
}

struct File {
    path: PathBuf,
    stamp: Option<(SystemTime, u64)>,
    reader: Reader<Vec<u8>>,
}

/// The files in use, as one immutable set.
#[derive(Default)]
pub struct Geo {
    files: Vec<Arc<File>>,
}

impl Geo {
    /// Opens the files in the order given; the first that knows a fact counts.
    pub fn open(paths: &[PathBuf]) -> Result<Self, GeoError> {
        Ok(Self { files: paths.iter().map(|path| open(path).map(Arc::new)).collect::<Result<_, _>>()? })
    }

    /// The same files again where one has changed on disk; `None` where none has.
    pub fn reopened(&self) -> Option<Result<Self, GeoError>> {
        if self.files.iter().all(|file| stamp(&file.path) == file.stamp) {
            return None;
        }
        let paths: Vec<_> = self.files.iter().map(|file| file.path.clone()).collect();
        Some(Self::open(&paths))
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What the files know of an address.
    pub fn lookup(&self, address: IpAddr) -> Place {
        let mut place = Place::default();
        for file in &self.files {
            let Ok(found) = file.reader.lookup(address) else { continue };
            if let Ok(Some(asn)) = found.decode::<geoip2::Asn>() {
                place.asn = place.asn.or(asn.autonomous_system_number);
                if place.as_org.is_none() {
                    place.as_org = asn.autonomous_system_organization.map(str::to_string);
                }
            }
            if let Ok(Some(city)) = found.decode::<geoip2::City>() {
                if place.country.is_none() {
                    place.country = city.country.iso_code.map(str::to_string);
                }
                if place.latitude.is_none() {
                    place.latitude = city.location.latitude;
                    place.longitude = city.location.longitude;
                }
            }
            if let Ok(Some(flat)) = found.decode::<Flat<'_>>() {
                place.country = place.country.or_else(|| flat.country_code.map(str::to_string));
                let asn = flat.asn.and_then(|asn| asn.strip_prefix("AS")).and_then(|number| number.parse().ok());
                place.asn = place.asn.or(asn);
                place.as_org = place.as_org.or_else(|| flat.as_name.map(str::to_string));
            }
        }
        place
    }
}

/// The flat record of IPinfo's files.
#[derive(serde::Deserialize)]
struct Flat<'a> {
    country_code: Option<&'a str>,
    asn: Option<&'a str>,
    as_name: Option<&'a str>,
}

fn open(path: &Path) -> Result<File, GeoError> {
    let stamp = stamp(path);
    let bytes = std::fs::read(path).map_err(|source| GeoError::Read { path: path.to_path_buf(), source })?;
    let reader = Reader::from_source(bytes).map_err(|source| GeoError::Format { path: path.to_path_buf(), source })?;
    Ok(File { path: path.to_path_buf(), stamp, reader })
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
