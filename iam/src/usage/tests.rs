use super::*;
use crate::catalogue::Catalogue;

const WEB: &str = "arn:aws:iam::111122223333:role/web";
const TO: i64 = 1_793_491_200_000_000;

fn id(action: &str) -> ActionId {
    Catalogue::shipped().find_named(action).expect(action)
}

/// Calls of S3 on a day of the window.
fn row(name: &str, day: i64, count: u64, outcome: Outcome, by_service: bool) -> Row<'_> {
    let first = TO - 90 * DAY + day * DAY + HOUR;
    Row { source: "s3.amazonaws.com", name, outcome, by_service, count, first, last: first + HOUR, network: None }
}

#[test]
fn calls_are_counted_by_action_and_outcome() {
    let mut usages = Usages::new(Window::before(TO, 90));
    let networks = [Some("AS64500"), Some("s3.amazonaws.com"), Some("AS64501"), None, None, None, None];
    for ((name, day, count, outcome, by_service), network) in [
        ("ListObjects", 3, 5, Outcome::Succeeded, false),
        ("ListObjectsV2", 70, 2, Outcome::Succeeded, true),
        ("ListObjectsV2", 80, 7, Outcome::Denied, false),
        ("HeadBucket", 81, 4, Outcome::Failed, false),
        ("ListObjects", 95, 100, Outcome::Succeeded, false),
        ("ListObjects", -1, 100, Outcome::Succeeded, false),
        ("NoSuchEvent", 3, 1, Outcome::Succeeded, false),
    ]
    .into_iter()
    .zip(networks)
    {
        usages.add(WEB, &Row { network, ..row(name, day, count, outcome, by_service) });
    }
    let actions = usages.actions(WEB);
    let tally = &actions.get(id("s3:ListBucket")).expect("it was called").tally;
    assert_eq!((tally.count, tally.by_service, tally.failed, tally.denied), (7, 2, 4, 7));
    let networks: Vec<_> = tally.networks.iter().map(|(network, count)| (&**network, *count)).collect();
    assert_eq!(networks, [("AS64500", 5), ("s3.amazonaws.com", 2)], "what was denied came from nowhere");
    assert_eq!(tally.days.iter().collect::<Vec<_>>(), [3, 70]);
    assert_eq!(tally.days.greatest_gap(), Some(67));
    assert_eq!((tally.last - tally.first) / DAY, 67);
    assert!(actions.has_unmapped("s3") && actions.has_calls("s3") && !actions.has_calls("ec2"));
    assert_eq!(usages.unmapped().collect::<Vec<_>>(), [("s3.amazonaws.com", "NoSuchEvent")]);
    assert!(usages.actions("nobody").iter().next().is_none());
}

#[test]
fn requests_tell_resources_and_what_names_do_not() {
    let mut usages = Usages::new(Window::before(TO, 90));
    let read = row("GetObject", 3, 2, Outcome::Succeeded, false);
    usages.add(WEB, &read);
    let version = id("s3:GetObjectVersion");
    assert!(usages.actions(WEB).perhaps(version) && !usages.actions(WEB).requests_read());
    let used = |action, arn: &str| Used { action, resources: vec![arn.to_owned()], passed_to: None };
    usages.tell(WEB, &Row { count: 1, ..read }, &[used(id("s3:GetObject"), "arn:aws:s3:::logs/a")]);
    assert!(!usages.actions(WEB).get(id("s3:GetObject")).expect("it was called").is_located());
    usages.tell(WEB, &Row { count: 1, ..read }, &[used(version, "arn:aws:s3:::logs/b")]);
    let actions = usages.actions(WEB);
    assert!(!actions.perhaps(version) && actions.requests_read());
    let of_version = actions.get(version).expect("the request says so");
    assert_eq!((of_version.tally.count, of_version.is_located()), (1, true));
    assert_eq!(of_version.resources().collect::<Vec<_>>(), [("arn:aws:s3:::logs/b", None)]);
    assert_eq!(actions.get(id("s3:GetObject")).expect("it was called").tally.count, 2, "counted once");
}
