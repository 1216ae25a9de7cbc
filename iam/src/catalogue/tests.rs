use super::*;

#[test]
fn every_line_of_the_list_is_read() {
    let catalogue = Catalogue::shipped();
    let lines = || ACTIONS.lines().filter(|line| !line.starts_with('#'));
    let named = |types: bool| -> usize {
        lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(head, _)| head.ends_with(" types") == types)
            .map(|(_, names)| names.split(' ').count())
            .sum()
    };
    let read: usize = catalogue.services().map(|(_, actions)| actions.count()).sum();
    assert_eq!(read, named(false));
    assert_eq!(catalogue.len(), read);
    assert_eq!(catalogue.types.len(), named(true));
    assert!(read > 20_000, "{read}");
}

#[test]
fn actions_have_the_level_that_says_most() {
    let catalogue = Catalogue::shipped();
    for (prefix, action, expected) in [
        ("iam", "AttachRolePolicy", Some(Access::Permissions)),
        ("iam", "ListUsers", Some(Access::List)),
        ("iam", "TagRole", Some(Access::Tagging)),
        ("iam", "PassRole", Some(Access::Write)),
        ("s3", "GetObject", Some(Access::Read)),
        ("s3", "getobject", None),
        ("iam", "NoSuchAction", None),
        ("nobody", "GetObject", None),
    ] {
        assert_eq!(catalogue.access(prefix, action), expected, "{prefix}:{action}");
    }
}

#[test]
fn the_list_has_its_day() {
    assert!(Catalogue::date().parse::<jiff::civil::Date>().is_ok(), "{}", Catalogue::date());
}

#[test]
fn every_action_is_found_in_any_case_by_its_id() {
    let catalogue = Catalogue::shipped();
    for (id, action) in catalogue.actions() {
        let shouted = action.to_string().to_ascii_uppercase();
        assert_eq!(catalogue.find_named(&shouted), Some(id), "{shouted}");
    }
    assert_eq!(catalogue.find_named("s3"), None);
    let of_iam: Vec<&str> = catalogue.of_service("IAM").map(|(_, action)| action.name).collect();
    assert!(of_iam.len() > 150 && of_iam.contains(&"PassRole"), "{of_iam:?}");
}

#[test]
fn actions_know_their_resources() {
    let catalogue = Catalogue::shipped();
    for (action, expected) in [
        ("s3:ListAllMyBuckets", &[][..]),
        ("sts:GetCallerIdentity", &[]),
        ("iam:PassRole", &["role*"]),
        ("lambda:InvokeFunction", &["function*"]),
        ("kms:Decrypt", &["key*"]),
        ("s3:GetObject", &["accesspointobject", "object"]),
    ] {
        let id = catalogue.find_named(action).expect(action);
        let types = catalogue.resource_types(id).map(|(kind, required)| match required {
            true => format!("{}*", kind.name),
            false => kind.name.to_owned(),
        });
        assert_eq!(types.collect::<Vec<_>>(), expected, "{action}");
        assert_eq!(catalogue.has_resources(id), !expected.is_empty(), "{action}");
    }
}

#[test]
fn arns_are_of_the_type_that_says_most() {
    let catalogue = Catalogue::shipped();
    for (prefix, arn, expected) in [
        ("s3", "arn:aws:s3:::logs", Some("bucket")),
        ("s3", "arn:aws:s3:::logs/2026/07/a.gz", Some("object")),
        ("iam", "arn:aws:iam::111122223333:role/service-role/ci", Some("role")),
        ("dynamodb", "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/t", Some("table")),
        ("dynamodb", "arn:aws:dynamodb:eu-west-1:111122223333:table/t/index/i", Some("index")),
        ("dynamodb", "arn:aws:s3:::logs", None),
    ] {
        assert_eq!(catalogue.type_of(prefix, arn).map(|kind| kind.name), expected, "{arn}");
    }
    let get = catalogue.find_named("s3:GetObject").expect("an action");
    assert!(catalogue.type_for(get, "arn:aws:s3:::logs/a").is_some());
    assert!(catalogue.type_for(get, "arn:aws:s3:::logs").is_none());
}

#[test]
fn what_is_no_operation_is_marked() {
    let catalogue = Catalogue::shipped();
    for (action, expected) in
        [("iam:PassRole", false), ("s3:ListAllMyBuckets", false), ("s3:GetObject", true), ("ec2:RunInstances", true)]
    {
        let id = catalogue.find_named(action).expect(action);
        assert_eq!(catalogue.action(id).is_operation, expected, "{action}");
    }
}
