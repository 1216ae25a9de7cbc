//! The credential report: CSV, one row for each user and one for root.
//!
//! Columns and values after IAM User Guide, "Generate credential reports for your AWS account".

use csv::{ReaderBuilder, StringRecord};

use super::entity::{Credentials, LastUse, ReportedKey};
use super::error::{Location, Problem};
use super::node::Reading;

/// What the report calls root.
const ROOT: &str = "<root_account>";

/// How a report begins.
pub(super) const BEGINNING: &str = "user,arn,";

/// The columns that are read, in the order in which [`Row`] knows them.
const COLUMNS: [&str; 19] = [
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "cert_1_active",
    "cert_2_active",
];

/// A row of the report.
#[derive(Clone, Debug)]
pub(super) struct Reported {
    /// None for root.
    pub user: Option<String>,
    pub credentials: Credentials,
    pub at: Location,
}

/// One line, by column.
struct Row<'r> {
    record: &'r StringRecord,
    places: &'r [usize],
    line: u64,
}

/// Reads a report; `place` is where it stands in its file, if that is JSON.
pub(super) fn read(text: &str, place: &str, reading: &mut Reading) -> Vec<Reported> {
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            reading.wrong(place, Problem::Unexpected { found: error.to_string(), expected: "a line of column names" });
            return Vec::new();
        }
    };
    let before = reading.errors.len();
    let places: Vec<usize> = COLUMNS
        .iter()
        .filter_map(|name| {
            let found = header.iter().position(|column| column == *name);
            if found.is_none() {
                reading.wrong(&in_line(place, 1), Problem::NoColumn(name));
            }
            found
        })
        .collect();
    if reading.errors.len() > before {
        return Vec::new();
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, |position| position.line());
                rows.extend(Row { record: &record, places: &places, line }.read(place, reading));
            }
            Err(error) => {
                let line = error.position().map_or(0, |position| position.line());
                let problem = Problem::Unexpected { found: error.to_string(), expected: "as many fields as columns" };
                reading.wrong(&in_line(place, line), problem);
            }
        }
    }
    if rows.is_empty() && reading.errors.len() == before {
        reading.wrong(place, Problem::Unexpected { found: "no row".into(), expected: "one for root at least" });
    }
    rows
}

impl Row<'_> {
    fn read(&self, place: &str, reading: &mut Reading) -> Option<Reported> {
        let at = in_line(place, self.line);
        let arn = self.field("arn").to_owned();
        if crate::principal::account_in(&arn).is_none() {
            reading
                .wrong(&at, Problem::Unexpected { found: format!("arn is {arn}"), expected: "an ARN with an account" });
            return None;
        }
        let user = self.field("user");
        let flag = |name, reading: &mut Reading| self.flag(name, &at, reading);
        let credentials = Credentials {
            arn,
            created: self.time("user_creation_time", &at, reading),
            password_enabled: flag("password_enabled", reading),
            password_last_used: self.last_use("password_last_used", None, &at, reading),
            password_last_changed: self.time("password_last_changed", &at, reading),
            mfa_active: flag("mfa_active", reading).unwrap_or_default(),
            keys: [1, 2].into_iter().filter_map(|number| self.key(number, &at, reading)).collect(),
            certificates_active: ["cert_1_active", "cert_2_active"]
                .into_iter()
                .filter(|name| flag(name, reading) == Some(true))
                .count(),
        };
        Some(Reported { user: (user != ROOT).then(|| user.to_owned()), credentials, at: reading.at(&at) })
    }

    /// A key, if there is one: one that is inactive and was never rotated was never made.
    fn key(&self, number: u8, at: &str, reading: &mut Reading) -> Option<ReportedKey> {
        let column = |what: &str| format!("access_key_{number}_{what}");
        let active = self.flag(&column("active"), at, reading)?;
        let created = self.time(&column("last_rotated"), at, reading);
        let more = [column("last_used_region"), column("last_used_service")];
        let last_used = self.last_use(&column("last_used_date"), Some(more), at, reading);
        (active || created.is_some()).then_some(ReportedKey { active, created, last_used })
    }

    fn field(&self, column: &str) -> &str {
        let index = COLUMNS.iter().position(|name| *name == column).expect("the columns that are asked for are listed");
        self.record.get(self.places[index]).unwrap_or_default()
    }

    fn flag(&self, column: &str, at: &str, reading: &mut Reading) -> Option<bool> {
        match self.field(column) {
            text if text.eq_ignore_ascii_case("true") => Some(true),
            text if text.eq_ignore_ascii_case("false") => Some(false),
            "not_supported" | "N/A" => None,
            other => {
                let found = format!("{column} is \"{other}\"");
                reading.wrong(at, Problem::Unexpected { found, expected: "true, false or not_supported" });
                None
            }
        }
    }

    fn time(&self, column: &str, at: &str, reading: &mut Reading) -> Option<jiff::Timestamp> {
        match self.field(column) {
            "N/A" | "no_information" | "not_supported" => None,
            text => reading.time(at, text),
        }
    }

    /// `N/A` stands where there is nothing to use, and where a key was not used since times are kept; `no_information`
    /// where a password was not.
    fn last_use(&self, date: &str, more: Option<[String; 2]>, at: &str, reading: &mut Reading) -> LastUse {
        let told = |column: &str| Some(self.field(column)).filter(|text| *text != "N/A").map(str::to_owned);
        match self.field(date) {
            "not_supported" => LastUse::Unknown,
            "N/A" | "no_information" => LastUse::Never,
            text => match reading.time(at, text) {
                Some(time) => LastUse::At {
                    time,
                    region: more.as_ref().and_then(|[region, _]| told(region)),
                    service: more.as_ref().and_then(|[_, service]| told(service)),
                },
                None => LastUse::Unknown,
            },
        }
    }
}

fn in_line(place: &str, line: u64) -> String {
    if place.is_empty() { format!("line {line}") } else { format!("{place}, line {line}") }
}
