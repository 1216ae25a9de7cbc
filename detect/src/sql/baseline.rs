//! `first_seen`, `spike` and `travel`: what is compared with what the entity did before.

use super::windows::measured;
use super::{Body, Chosen, EQUAL, listed, not_all_null};
use crate::judgement::{FirstSeen, Measure, Rare, Spike, Travel};
use crate::state::{DAY, HISTORY_DAYS_MIN, KNOWN_DAYS_MIN, KNOWN_EVENTS_MIN, KNOWN_WITHIN_DAYS, RATE_DAYS};
use crate::statistics::EARTH_KM;

/// A value that is new for the entity, and its UTC day.
pub(super) fn first_seen(chosen: &Chosen, keys: &FirstSeen) -> (String, String) {
    let who = chosen.who();
    let value: Vec<String> =
        chosen.names(&keys.value).into_iter().filter(|column| !chosen.entity.contains(column)).collect();
    let columns = chosen.entity.iter().chain(&value).cloned().collect::<Vec<_>>().join(", ");
    let seen_before = |by: &str| {
        format!("max(_day) OVER (PARTITION BY {by} ORDER BY _day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)")
    };
    let last_seen = match keys.each {
        false => seen_before(&columns),
        true => {
            let alone: Vec<String> = value.iter().map(|column| seen_before(&format!("{who}, {column}"))).collect();
            format!("greatest({})", alone.join(", "))
        }
    };
    let body = Body::default()
        .with(
            "days",
            &format!(
                "  SELECT {columns}, _day, count(*) AS _events, min(_time) AS first_time, max(_time) AS last_time\n  \
                 FROM (SELECT *, CAST(CAST(_time AS DATE) AS INT) AS _day FROM chosen)\n  \
                 WHERE {} AND {}\n  GROUP BY {columns}, _day",
                chosen.somebody(),
                not_all_null(&chosen.names(&keys.value)),
            ),
        )
        .with(
            "compared",
            &format!(
                "  SELECT *, _day - {last_seen} AS days_since_seen FROM days"
            ),
        )
        .with(
            "marked",
            &format!(
                "  SELECT *, CASE WHEN days_since_seen <= {} THEN 0 ELSE 1 END AS _new FROM compared",
                keys.forget.days()
            ),
        )
        .with(
            "totals",
            &format!("  SELECT {who}, _day, sum(_events) AS _events, sum(_new) AS _new FROM marked GROUP BY {who}, _day"),
        )
        .with(
            "known",
            &format!(
                "  -- What was known of the entity before each of its days.\n  SELECT {who}, _day,\n         \
                 _day - min(_day) OVER (PARTITION BY {who}) AS known_days,\n         \
                 coalesce(sum(_events) OVER (PARTITION BY {who} ORDER BY _day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 \
                 PRECEDING), 0) AS known_events,\n         \
                 coalesce(sum(_events) OVER (PARTITION BY {who} ORDER BY _day RANGE BETWEEN {RATE_DAYS} PRECEDING AND 1 \
                 PRECEDING), 0) AS recent_events,\n         \
                 coalesce(sum(_new) OVER (PARTITION BY {who} ORDER BY _day RANGE BETWEEN {RATE_DAYS} PRECEDING AND 1 \
                 PRECEDING), 0) AS recent_new\n  FROM totals"
            ),
        )
        .select(&format!(
            "SELECT {}, first_time, last_time, _events AS count, {}known_days, known_events, recent_new, recent_events\n\
             FROM marked JOIN known ON {} AND marked._day = known._day\n\
             WHERE _new = 1 AND known_days >= {} AND known_events >= {}\n  \
             AND CAST(recent_new + 1 AS DOUBLE) / (recent_events + 2) <= {}\nORDER BY first_time",
            chosen.who_of("marked"),
            listed(&value, |column| format!("marked.{column}, "), ""),
            chosen.same_entity("marked", "known"),
            keys.learn.days(),
            keys.min_events,
            keys.max_new_rate,
        ));
    (EQUAL.into(), body)
}

/// Values by day, with how often they and all others were seen before: by the entity, and by its population.
pub(super) fn rare(chosen: &Chosen, keys: &Rare) -> (String, String) {
    let who = chosen.who();
    let value: Vec<String> =
        chosen.names(&keys.value).into_iter().filter(|column| !chosen.entity.contains(column)).collect();
    let columns = chosen.entity.iter().chain(&value).cloned().collect::<Vec<_>>().join(", ");
    let values = chosen.names(&keys.value).join(", ");
    let before = |by: &str| {
        format!(
            "coalesce(sum(count) OVER (PARTITION BY {by} ORDER BY _day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
        )
    };
    let body = Body::default()
        .with(
            "days",
            &format!(
                "  SELECT {columns}, {} AS _group, CAST(CAST(_time AS DATE) AS INT) AS _day, count(*) AS count,\n         \
                 min(_time) AS first_time, max(_time) AS last_time\n  FROM chosen\n  WHERE {} AND {}\n  \
                 GROUP BY {columns}, _group, _day",
                chosen.name(&keys.population),
                chosen.somebody(),
                not_all_null(&chosen.names(&keys.value)),
            ),
        )
        .select(&format!(
            "SELECT {columns}, first_time, last_time, count,\n       \
             {} AS own_before, {} AS own_events_before,\n       \
             {} AS population_before, {} AS population_events_before\nFROM days\nORDER BY first_time",
            before(&format!("{who}, {values}")),
            before(&who),
            before(&format!("_group, {values}")),
            before("_group"),
        ));
    let said = format!(
        "The rule weighs what came before, half after {}, and asks for less than {} of both; this counts it all alike.",
        keys.half_life, keys.p_below
    );
    (said, body)
}

/// Buckets with what came before them.
pub(super) fn spike(chosen: &Chosen, keys: &Spike) -> (String, String) {
    let (who, width) = (chosen.who(), keys.bucket.micros());
    let history = keys.history.micros().div_euclid(width);
    // Only without a season is the mean of all buckets what the engine expects.
    let ratio =
        if keys.seasonal { String::new() } else { format!("\n  AND seen >= {} * greatest(mean, 0.1)", keys.ratio) };
    let seen = measured(&keys.measure, |column| chosen.name(column));
    let body = Body::default()
        .with(
            "buckets",
            &format!(
                "  -- _bucket counts lengths of {} since 1970.\n  \
                 SELECT {who}, _bucket, {seen} AS seen, count(*) AS count,\n         \
                 min(_time) AS first_time, max(_time) AS last_time\n  \
                 FROM (SELECT *, CAST(_time AS BIGINT) / {width} AS _bucket FROM chosen WHERE {})\n  \
                 GROUP BY {who}, _bucket",
                keys.bucket,
                chosen.somebody(),
            ),
        )
        .with(
            "begun",
            &format!(
                "  SELECT *, greatest(_bucket - {history}, min(_bucket) OVER (PARTITION BY {who})) AS _begin FROM buckets"
            ),
        )
        .with(
            "compared",
            &format!(
                "  SELECT {}, now.first_time, now.last_time, now.count, now.seen, now._bucket - now._begin AS _buckets,\n         \
                 coalesce(sum(before.seen), 0) AS _sum, coalesce(sum(before.seen * before.seen), 0) AS _squares\n  \
                 FROM begun AS now LEFT JOIN buckets AS before ON {}\n   \
                 AND before._bucket >= now._begin AND before._bucket < now._bucket\n  \
                 WHERE now.seen >= {}\n  \
                 GROUP BY {}, now.first_time, now.last_time, now.count, now.seen, now._bucket, now._begin",
                chosen.who_of("now"),
                chosen.same_entity("now", "before"),
                keys.at_least,
                chosen.who_of("now"),
            ),
        )
        .with(
            "usual",
            &format!(
                "  SELECT *, _buckets * {width} / {DAY} AS history_days, CAST(_sum AS DOUBLE) / _buckets AS mean,\n         \
                 sqrt(greatest(CAST(_squares AS DOUBLE) / _buckets - power(CAST(_sum AS DOUBLE) / _buckets, 2), 0)) AS deviation\n  \
                 FROM compared WHERE _buckets > 0"
            ),
        )
        .select(&format!(
            "SELECT {who}, first_time, last_time, count, seen, mean, deviation, history_days\nFROM usual\n\
             WHERE history_days >= {HISTORY_DAYS_MIN}{ratio}\nORDER BY first_time"
        ));
    let season = match keys.seasonal {
        true => "\nNor does it know the hours of the week, which the rule tells apart.",
        false => "",
    };
    let distinct = match &keys.measure {
        Measure::Distinct(_) => "\nOf more than 10,000 different values in a bucket, findings tell that many.",
        _ => "",
    };
    let said = format!(
        "Every finding is among its rows, and more: SQL does not say how improbable a bucket is (the rule asks for less than {}).{season}{distinct}",
        keys.p_below
    );
    (said, body)
}

/// Neighbouring events that are too far apart.
pub(super) fn travel(chosen: &Chosen, keys: &Travel) -> (String, String) {
    let [lat, lon] = keys.place.each_ref().map(|column| chosen.name(column));
    let order = format!("(PARTITION BY {} ORDER BY _time, event_id)", chosen.who());
    let who = chosen.who();
    let half = |from: &str, to: &str| format!("power(sin(radians({to} - {from}) / 2), 2)");
    let known = |lat: &str, lon: &str| {
        let there = format!("FILTER (WHERE _lat = {lat} AND _lon = {lon})");
        format!("count(*) {there} >= {KNOWN_DAYS_MIN} AND coalesce(sum(_events) {there}, 0) >= {KNOWN_EVENTS_MIN}")
    };
    let body = Body::default()
        .with(
            "places",
            &format!(
                "  SELECT *, lag(_time) OVER {order} AS _from_time, lag(event_id) OVER {order} AS _from_id,\n         \
                 lag({lat}) OVER {order} AS _from_lat, lag({lon}) OVER {order} AS _from_lon\n  \
                 FROM chosen WHERE {} AND {lat} IS NOT NULL AND {lon} IS NOT NULL",
                chosen.somebody()
            ),
        )
        .with(
            "ways",
            &format!(
                "  SELECT *, {} * asin(sqrt(least(1.0, {} + cos(radians(_from_lat)) * cos(radians({lat})) * {}))) AS km,\n         \
                 greatest(CAST(CAST(_time AS BIGINT) - CAST(_from_time AS BIGINT) AS DOUBLE) / 1e6, 1.0) AS seconds\n  \
                 FROM places WHERE _from_time IS NOT NULL",
                2.0 * EARTH_KM,
                half("_from_lat", &lat),
                half("_from_lon", &lon),
            ),
        )
        .with(
            "days",
            &format!(
                "  SELECT {who}, {lat} AS _lat, {lon} AS _lon, date_trunc('day', _time) AS _day, count(*) AS _events\n  \
                 FROM places GROUP BY {who}, {lat}, {lon}, date_trunc('day', _time)"
            ),
        )
        .with(
            "far",
            &format!(
                "  SELECT {}, _from_time, _time, _from_id, event_id, km, seconds, _from_lat, _from_lon, {lat}, {lon},\n         \
                 {} AS _known_from,\n         {} AS _known_to\n  \
                 FROM ways LEFT JOIN days ON {}\n   \
                 AND _day < date_trunc('day', _time) AND _day >= date_trunc('day', _time) - INTERVAL '{KNOWN_WITHIN_DAYS} days'\n  \
                 WHERE km >= {} AND km / (seconds / 3600) >= {}\n  \
                 GROUP BY {}, _from_time, _time, _from_id, event_id, km, seconds, _from_lat, _from_lon, {lat}, {lon}",
                chosen.who_of("ways"),
                known("_from_lat", "_from_lon"),
                known(&lat, &lon),
                chosen.same_entity("ways", "days"),
                keys.distance_km,
                keys.speed_kmh,
                chosen.who_of("ways"),
            ),
        )
        .select(&format!(
            "SELECT {who}, _from_time AS first_time, _time AS last_time, 2 AS count, _from_id, event_id, km, seconds,\n       \
             _from_lat, _from_lon, {lat} AS to_lat, {lon} AS to_lon\nFROM far\n\
             WHERE NOT (_known_from AND _known_to)\nORDER BY first_time"
        ));
    (EQUAL.into(), body)
}
