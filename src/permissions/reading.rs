//! What principals did and how far the logs show it, read from a store: `activity` for calls, and of `events` only what counts do
//! not hold: requests, data events' resources, sign-ins, and who took which role.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Context;
use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use serde_json::Value;
use trailhound_iam::usage::{DAY, Outcome, Row, Usages, Window};
use trailhound_iam::{Coverage, Event, Inventory, Mapped, Observability, event_actions};

/// Everything that is read.
pub struct Reading {
    pub usages: Usages,
    /// By account.
    pub coverage: BTreeMap<String, Coverage>,
    /// Whether it is kept from which networks something was used.
    networks: bool,
}

/// Of whose events the requests are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requests {
    /// Of everybody's changes: enough to know which roles were passed on.
    OfChanges,
    /// All of these principals' (ARNs).
    Of(BTreeSet<String>),
}

/// ARNs by `principal_key`, for the users and roles of an inventory.
pub struct Names(HashMap<String, String>);

impl Names {
    pub fn of(inventory: &Inventory) -> Names {
        let users =
            inventory.users.values().filter_map(|user| Some((format!("user:{}", user.id.as_ref()?), &user.arn)));
        let roles =
            inventory.roles.values().filter_map(|role| Some((format!("role:{}", role.id.as_ref()?), &role.arn)));
        Names(users.chain(roles).map(|(key, arn)| (key, arn.clone())).collect())
    }

    fn arn(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The keys of these ARNs, as a list in SQL.
    fn keys(&self, arns: &BTreeSet<String>) -> String {
        let keys = self.0.iter().filter(|(_, arn)| arns.contains(*arn)).map(|(key, _)| quoted(key));
        keys.collect::<Vec<_>>().join(", ")
    }
}

/// The time of the newest event, µs since 1970; none where there is none.
pub async fn newest(session: &SessionContext) -> anyhow::Result<Option<i64>> {
    let mut newest = None;
    each(session, "SELECT max(last_time) FROM activity_partials WHERE event_hour <= now()", |rows| {
        newest = rows.time(0)?.iter().flatten().max();
        Ok(())
    })
    .await?;
    Ok(newest)
}

/// Reads a window; `networks` says whether it is asked from where something was used, which takes memory for each place.
pub async fn read(
    session: &SessionContext,
    names: &Names,
    window: Window,
    requests: &Requests,
    networks: bool,
) -> anyhow::Result<Reading> {
    let mut reading = Reading { usages: Usages::new(window), coverage: BTreeMap::new(), networks };
    reading.calls(session, names).await?;
    reading.data(session).await?;
    reading.sign_ins(session, names).await?;
    reading.taken(session).await?;
    reading.requests(session, names, requests).await?;
    Ok(reading)
}

impl Reading {
    fn window(&self) -> Window {
        self.usages.window()
    }

    fn coverage(&mut self, account: &str) -> &mut Coverage {
        let window = self.window();
        if !self.coverage.contains_key(account) {
            self.coverage.insert(account.to_owned(), Coverage::new(window));
        }
        self.coverage.get_mut(account).expect("it was put there")
    }

    /// Counts of calls; each hour with a record covers its account and region. They are added up here, so nobody has to before.
    async fn calls(&mut self, session: &SessionContext, names: &Names) -> anyhow::Result<()> {
        let mut data_events: HashMap<(String, String), bool> = HashMap::new();
        let sql = format!(
            "SELECT principal_key, event_source, event_name, outcome, account_id, aws_region, access_key_id, \
             actor_is_service, read_only, events, first_time, last_time, source_network FROM activity_partials WHERE {}",
            self.days()
        );
        each(session, &sql, |rows| {
            let (keys, sources, names_, outcomes) = (rows.text(0)?, rows.text(1)?, rows.text(2)?, rows.text(3)?);
            let (accounts, regions, access_keys) = (rows.text(4)?, rows.text(5)?, rows.text(6)?);
            let (by_service, reads) = (rows.flag(7)?, rows.flag(8)?);
            let (counts, firsts, lasts, places) = (rows.number(9)?, rows.time(10)?, rows.time(11)?, rows.text(12)?);
            for row in 0..rows.0.num_rows() {
                let (source, name) = (text(&sources, row), text(&names_, row));
                let (first, last) = (firsts.value(row), lasts.value(row));
                if !text(&accounts, row).is_empty() {
                    let is_data = match data_events.get(&(source.to_owned(), name.to_owned())) {
                        Some(known) => *known,
                        None => {
                            let is_data = is_data_event(source, name);
                            data_events.insert((source.to_owned(), name.to_owned()), is_data);
                            is_data
                        }
                    };
                    let coverage = self.coverage(text(&accounts, row));
                    coverage.saw(text(&regions, row), first, last);
                    if !is_data && reads.is_valid(row) {
                        coverage.saw_management(source, reads.value(row));
                    }
                }
                if !text(&access_keys, row).is_empty() {
                    self.usages.key_used(text(&access_keys, row), last);
                }
                // Signing in is no call of an API.
                if source == "signin.amazonaws.com" {
                    continue;
                }
                if let Some(arn) = names.arn(text(&keys, row)) {
                    let count = u64::try_from(counts.value(row)).unwrap_or_default();
                    let outcome = outcome(text(&outcomes, row));
                    let by_service = by_service.value(row);
                    let network = self.network(&places, row);
                    self.usages.add(arn, &Row { source, name, outcome, by_service, count, first, last, network });
                }
            }
            Ok(())
        })
        .await
        .context("cannot read what was called")
    }

    /// The resources of which data events are logged.
    async fn data(&mut self, session: &SessionContext) -> anyhow::Result<()> {
        let sql = format!(
            "SELECT account_id, aws_region, event_source, event_name, request_bucket_name, read_only, min(event_time), \
             CASE WHEN event_source = 's3.amazonaws.com' THEN NULL ELSE resources_json END AS resources FROM events \
             WHERE {} AND event_category = 'Data' GROUP BY 1, 2, 3, 4, 5, 6, 8",
            self.within()
        );
        each(session, &sql, |rows| {
            let (accounts, regions, sources, names) = (rows.text(0)?, rows.text(1)?, rows.text(2)?, rows.text(3)?);
            let (buckets, reads, firsts, resources) = (rows.text(4)?, rows.flag(5)?, rows.time(6)?, rows.text(7)?);
            for row in 0..rows.0.num_rows() {
                let (source, name) = (text(&sources, row), text(&names, row));
                let Some(kind) = data_type(source, name) else { continue };
                let partition = trailhound_iam::partition(text(&regions, row));
                let selected = match text(&buckets, row) {
                    "" => arns(text(&resources, row)),
                    bucket => vec![format!("arn:{partition}:s3:::{bucket}")],
                };
                let (read_only, first) = (reads.is_valid(row) && reads.value(row), firsts.value(row));
                let coverage = self.coverage(text(&accounts, row));
                selected.iter().for_each(|arn| coverage.saw_data(kind, arn, read_only, first));
            }
            Ok(())
        })
        .await
        .context("cannot read of which resources data events are logged")
    }

    async fn sign_ins(&mut self, session: &SessionContext, names: &Names) -> anyhow::Result<()> {
        let sql = format!(
            "SELECT principal_key, coalesce(mfa_used, false), max(event_time) FROM events WHERE {} AND event_source = \
             'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'success' GROUP BY 1, 2",
            self.within()
        );
        each(session, &sql, |rows| {
            let (keys, with_factor, lasts) = (rows.text(0)?, rows.flag(1)?, rows.time(2)?);
            for row in 0..rows.0.num_rows() {
                if let Some(arn) = names.arn(text(&keys, row)) {
                    self.usages.signed_in(arn, lasts.value(row), with_factor.value(row));
                }
            }
            Ok(())
        })
        .await
        .context("cannot read who signed in")
    }

    async fn taken(&mut self, session: &SessionContext) -> anyhow::Result<()> {
        let sql = format!(
            "SELECT request_role_arn, max(event_time) FROM events WHERE {} AND event_source = 'sts.amazonaws.com' AND \
             outcome = 'success' AND request_role_arn IS NOT NULL GROUP BY 1",
            self.within()
        );
        each(session, &sql, |rows| {
            let (roles, lasts) = (rows.text(0)?, rows.time(1)?);
            for row in 0..rows.0.num_rows() {
                self.usages.taken(text(&roles, row), lasts.value(row));
            }
            Ok(())
        })
        .await
        .context("cannot read which roles were taken")
    }

    /// What requests say: on what, and which roles were passed to whom.
    pub async fn requests(
        &mut self,
        session: &SessionContext,
        names: &Names,
        requests: &Requests,
    ) -> anyhow::Result<()> {
        let of_changes = *requests == Requests::OfChanges;
        let whose = match requests {
            Requests::OfChanges => "read_only = false AND event_category IS DISTINCT FROM 'Data'".to_owned(),
            Requests::Of(arns) => match names.keys(arns) {
                keys if keys.is_empty() => return Ok(()),
                keys => format!("principal_key IN ({keys})"),
            },
        };
        let sql = format!(
            "SELECT principal_key, event_source, event_name, event_type, account_id, aws_region, actor_is_service, \
             event_time, request_parameters, resources_json, source_network FROM events WHERE {} AND outcome = 'success' AND \
             event_source <> 'signin.amazonaws.com' AND {whose}",
            self.within()
        );
        each(session, &sql, |rows| {
            let (keys, sources, names_, kinds) = (rows.text(0)?, rows.text(1)?, rows.text(2)?, rows.text(3)?);
            let (accounts, regions, by_service) = (rows.text(4)?, rows.text(5)?, rows.flag(6)?);
            let (times, requests, resources, places) = (rows.time(7)?, rows.text(8)?, rows.text(9)?, rows.text(10)?);
            for row in 0..rows.0.num_rows() {
                let Some(arn) = names.arn(text(&keys, row)) else { continue };
                let request: Option<Value> = serde_json::from_str(text(&requests, row)).ok();
                let resources = arns(text(&resources, row));
                let event = Event {
                    source: text(&sources, row),
                    name: text(&names_, row),
                    kind: text(&kinds, row),
                    request: request.as_ref(),
                    resources: &resources,
                    account: text(&accounts, row),
                    region: text(&regions, row),
                };
                let mut used = match event_actions(&event) {
                    Mapped::Actions(used) => used,
                    _ => Vec::new(),
                };
                if of_changes {
                    // On what everybody's changes were made would be most of the memory; it is asked of none of them.
                    used.iter_mut().filter(|one| one.passed_to.is_none()).for_each(|one| one.resources.clear());
                }
                let (time, by_service) = (times.value(row), by_service.value(row));
                let (source, name, outcome) = (event.source, event.name, Outcome::Succeeded);
                let network = self.network(&places, row);
                self.usages.tell(
                    arn,
                    &Row { source, name, outcome, by_service, count: 1, first: time, last: time, network },
                    &used,
                );
            }
            Ok(())
        })
        .await
        .context("cannot read requests")
    }

    /// From where it was, if that is kept.
    fn network<'r>(&self, places: &'r StringViewArray, row: usize) -> Option<&'r str> {
        self.networks.then(|| text(places, row)).filter(|network| !network.is_empty())
    }

    /// The window's days, as a condition.
    fn days(&self) -> String {
        let Window { from, to } = self.window();
        let (first, last) = (from.div_euclid(DAY), (to - 1).div_euclid(DAY));
        format!("event_date >= CAST({first} AS INT)::DATE AND event_date <= CAST({last} AS INT)::DATE")
    }

    /// The window, as a condition on events.
    fn within(&self) -> String {
        let Window { from, to } = self.window();
        let days = self.days();
        format!("{days} AND event_time >= to_timestamp_micros({from}) AND event_time < to_timestamp_micros({to})")
    }
}

fn outcome(word: &str) -> Outcome {
    match word {
        "success" => Outcome::Succeeded,
        "denied" => Outcome::Denied,
        _ => Outcome::Failed,
    }
}

/// The resource type whose data events an event is one of.
fn data_type(source: &str, name: &str) -> Option<&'static str> {
    let Mapped::Actions(used) = event_actions(&Event { source, name, ..Event::default() }) else { return None };
    used.iter().find_map(|one| match Observability::of(one.action) {
        Observability::Data(kind) => Some(kind),
        _ => None,
    })
}

fn is_data_event(source: &str, name: &str) -> bool {
    data_type(source, name).is_some()
}

/// The ARNs in `resources`.
fn arns(resources: &str) -> Vec<String> {
    let resources: Value = serde_json::from_str(resources).unwrap_or_default();
    let arn = |resource: &Value| ["ARN", "arn"].iter().find_map(|name| resource[*name].as_str().map(str::to_owned));
    resources.as_array().into_iter().flatten().filter_map(arn).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Hands over the rows of an answer.
async fn each(
    session: &SessionContext,
    sql: &str,
    mut take: impl FnMut(&Rows) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut answer = trailhound_store::query(session, sql).await?;
    while let Some(batch) = answer.try_next().await? {
        take(&Rows(batch))?;
    }
    Ok(())
}

/// Columns of an answer by place.
struct Rows(RecordBatch);

impl Rows {
    fn text(&self, place: usize) -> anyhow::Result<StringViewArray> {
        Ok(cast(self.0.column(place), &DataType::Utf8View)?.as_string_view().clone())
    }

    fn flag(&self, place: usize) -> anyhow::Result<BooleanArray> {
        Ok(self.0.column(place).as_boolean_opt().context("a flag is none")?.clone())
    }

    fn number(&self, place: usize) -> anyhow::Result<Int64Array> {
        Ok(cast(self.0.column(place), &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    /// µs since 1970.
    fn time(&self, place: usize) -> anyhow::Result<Int64Array> {
        let micros = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
        Ok(cast(&cast(self.0.column(place), &micros)?, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }
}

/// Null is empty.
fn text(column: &StringViewArray, row: usize) -> &str {
    if column.is_valid(row) { column.value(row) } else { "" }
}
