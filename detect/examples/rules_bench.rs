//! What rules cost: 25 and 2,000 generated rules on made-up batches of 8,192 rows.
//!
//! ```text
//! cargo build --release --workspace --examples && target/release/examples/rules_bench
//! ```
//! Names come by a skewed distribution, as in real trails where a few read calls make most of the traffic, and rules
//! draw their names by the same distribution. Conditions are those that shipped rules use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use trailhound_detect::{File, Planner, RuleSet, load};
use trailhound_ingest::schema::schema;

const ROWS: usize = 8_192;
const NAMES: usize = 400;
const SOURCES: [&str; 8] = ["s3", "ec2", "kms", "sts", "iam", "logs", "lambda", "dynamodb"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let planner = Planner::new(trailhound_store::functions::register)?;
    let batches: Vec<RecordBatch> = (0..8).map(|seed| batch(&mut Random(seed))).collect::<Result<_, _>>()?;
    for count in [25, 2_000] {
        let files: Vec<File> = (0..count).map(|i| rule(i, &mut Random(1_000 + i as u64))).collect();
        let begun = Instant::now();
        let set = RuleSet::compile(load(files, &planner).into_rules()?, &planner)?;
        println!("{count} rules compiled in {:.0?}", begun.elapsed());
        let mut times: Vec<Duration> = Vec::new();
        let mut sightings = 0;
        for _ in 0..10 {
            for batch in &batches {
                let begun = Instant::now();
                sightings += set.evaluate(batch)?.sightings.len();
                times.push(begun.elapsed());
            }
        }
        times.sort();
        println!(
            "{count} rules on {ROWS} rows: median {:.2?}, worst {:.2?}; {:.1} sightings a batch",
            times[times.len() / 2],
            times[times.len() - 1],
            sightings as f64 / times.len() as f64
        );
    }
    Ok(())
}

/// A rule like the shipped ones: source, name, outcome, and often something costlier.
fn rule(i: usize, random: &mut Random) -> File {
    let name = random.skewed(NAMES);
    let source = SOURCES[name % SOURCES.len()];
    let more = match i % 8 {
        0 => "AND user_identity_type = 'Root'".to_owned(),
        1 => "AND request_user_name <> coalesce(user_identity_user_name, '')".to_owned(),
        2 => {
            "AND json_text(request_parameters, 'policyArn') = 'arn:aws:iam::aws:policy/AdministratorAccess'".to_owned()
        }
        3 => "AND user_agent_family = 'kali' AND NOT actor_is_service".to_owned(),
        4 => "AND user_agent LIKE '%nmap%'".to_owned(),
        5 => "AND source_kind = 'public' AND principal_class = 'root'".to_owned(),
        6 => format!("AND request_name = 'name-{i}'"),
        _ => "AND aws_region = 'ap-east-1' AND NOT actor_is_service".to_owned(),
    };
    let text = format!(
        r#"-- +++
-- title = "{{principal_key}}"
-- severity = "low"
-- status = "trial"
-- kind = "match"
-- entity = ["principal_key"]
-- attack = []
-- why = "Generated."
-- false_positives = []
-- runbook = "None."
-- +++
SELECT event_id, principal_key, event_name, source_ip_address FROM events
WHERE event_source = '{source}.amazonaws.com' AND event_name = 'Name{name}' AND outcome = 'success' {more}
"#
    );
    File::embedded(format!("account/generated_{i}.sql"), text)
}

fn batch(random: &mut Random) -> Result<RecordBatch, Box<dyn std::error::Error>> {
    let names: Vec<usize> = (0..ROWS).map(|_| random.skewed(NAMES)).collect();
    let schema = schema();
    let columns = schema.fields().iter().map(|field| {
        let mut text = |row: usize| -> Option<String> {
            let name = names[row];
            Some(match field.name().as_str() {
                "event_name" | "event_name_norm" => format!("Name{name}"),
                "event_source" => format!("{}.amazonaws.com", SOURCES[name % SOURCES.len()]),
                "outcome" => if random.below(10) == 0 { "denied" } else { "success" }.into(),
                "user_identity_type" => "AssumedRole".into(),
                "user_agent" => "aws-sdk-java/2.20.1 Linux/5.10 OpenJDK_64-Bit_Server_VM/17.0.9 vendor/Amazon cfg/retry-mode/standard".into(),
                "user_agent_family" => "aws-sdk-java".into(),
                "source_kind" => if random.below(3) == 0 { "public" } else { "aws_service" }.into(),
                "principal_class" => "workload".into(),
                "aws_region" => "eu-central-1".into(),
                "request_name" => format!("name-x{}", random.below(1_000)),
                "request_parameters" => format!(r#"{{"bucketName":"bucket-{}","policyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess","maxResults":100}}"#, random.below(100)),
                "request_user_name" => return (random.below(20) == 0).then(|| "alice".into()),
                "user_identity_user_name" => return (random.below(20) == 0).then(|| "alice".into()),
                _ if !field.is_nullable() => format!("{}-{}", field.name(), random.below(500)),
                _ => return None,
            })
        };
        let column: ArrayRef = match field.data_type() {
            DataType::Utf8View => Arc::new((0..ROWS).map(&mut text).collect::<StringViewArray>()),
            DataType::Boolean => Arc::new((0..ROWS).map(|r| Some(names[r] % 3 == 0)).collect::<BooleanArray>()),
            DataType::Int32 => Arc::new(Int32Array::from_iter_values(0..ROWS as i32)),
            DataType::Int64 => Arc::new(Int64Array::from_iter_values(0..ROWS as i64)),
            DataType::Float64 => Arc::new(Float64Array::from(vec![0.0; ROWS])),
            DataType::Date32 => Arc::new(Date32Array::from(vec![20_000; ROWS])),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Arc::new(TimestampMicrosecondArray::from_iter_values(0..ROWS as i64).with_timezone("UTC")),
            other => new_null_array(other, ROWS),
        };
        column
    });
    let columns = columns.collect();
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    /// Few of many: roughly Zipf.
    fn skewed(&mut self, n: usize) -> usize {
        let unit = self.below(1 << 30) as f64 / (1u64 << 30) as f64;
        ((n as f64).powf(unit) - 1.0) as usize
    }
}
