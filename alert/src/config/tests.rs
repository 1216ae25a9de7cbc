use super::*;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    alerts: AlertsConfig,
    #[serde(default, rename = "sink")]
    sinks: Vec<SinkConfig>,
    #[serde(default, rename = "route")]
    routes: Vec<RouteConfig>,
}

fn check(text: &str) -> Vec<String> {
    let file: File = toml::from_str(text).unwrap();
    problems(&file.alerts, &file.sinks, &file.routes)
}

#[test]
fn a_right_configuration_has_no_problems() {
    let text = r##"
        [[sink]]
        name = "soc"
        kind = "slack"
        bot_token = { env = "TOKEN" }
        channel = "C012345"
        [[sink]]
        name = "pager"
        kind = "pagerduty"
        routing_key = { aws_secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:pd", field = "key" }
        endpoint_url = "https://events.eu.pagerduty.com"
        [[sink]]
        name = "hook"
        kind = "webhook"
        url = "https://example.com/hook"
        hmac_key = { file = "/run/secrets/hmac" }
        headers = { Authorization = { env = "AUTH" } }
        template = '{"text": {{ title }}, "grave": {{ severity == "critical" }}, "ids": [{% for f in findings %}{{ f.id }}{% if not loop.last %},{% endif %}{% endfor %}]}'
        [[sink]]
        name = "log"
        kind = "ndjson"
        [[route]]
        severity = "high"
        rules = ["iam/*"]
        accounts = ["111122223333"]
        sinks = ["soc", "pager", "hook", "log"]
    "##;
    assert_eq!(check(text), Vec::<String>::new());
}

#[test]
fn every_mistake_is_told_at_once_with_its_key() {
    let text = r##"
        [alerts]
        incident_gap_minutes = 0
        [[sink]]
        name = "soc"
        kind = "slack"
        [[sink]]
        name = "soc"
        kind = "slack"
        bot_token = { env = "TOKEN" }
        endpoint_url = "ftp://example.com"
        [[sink]]
        name = "hook"
        kind = "webhook"
        url = "not a url"
        headers = { X-Trailhound-Signature = { env = "A" } }
        template = "{{ title"
        [[sink]]
        name = "bare"
        kind = "webhook"
        url = "https://example.com/"
        template = "{\"text\": {{ titel }}}"
        [[sink]]
        name = "quoted"
        kind = "webhook"
        url = "https://example.com/"
        template = "{\"text\": \"{{ title }}\"}"
        [[route]]
        severity = "terrible"
        accounts = ["prod"]
        sinks = ["sock"]
        [[route]]
    "##;
    let found = check(text).join("\n");
    for expected in [
        "alerts.incident_gap_minutes must be more than 0",
        "sink.soc.webhook_url: give webhook_url, or bot_token and channel",
        "sink.soc.name: there are two sinks of this name",
        "sink.soc.channel: a bot needs the channel's id",
        "sink.soc.endpoint_url: not an http:// or https:// URL",
        "sink.hook.url: not a URL",
        "sink.hook.headers.X-Trailhound-Signature: ",
        "sink.hook.template: ",
        "sink.bare.template: ",
        "sink.quoted.template: ",
        "route[0].severity: `terrible` is not one of info, low, medium, high, critical",
        "route[0].accounts: `prod` is not an account id",
        "route[0].sinks: there is no sink `sock`; there are: bare, hook, quoted, soc",
        "route[1].sinks: name at least one sink",
    ] {
        assert!(found.contains(expected), "{expected:?} is not in\n{found}");
    }
}

#[test]
fn unknown_keys_and_written_out_secrets_are_refused() {
    let wrong = |text: &str| toml::from_str::<File>(text).err().expect("an error").message().to_string();
    let told = wrong("[[sink]]\nname = \"a\"\nkind = \"slack\"\nwebhook_url = \"https://hooks.slack.com/x/SECRET\"");
    assert!(told.contains("a secret is not written here") && !told.contains("SECRET"), "{told}");
    assert!(wrong("[[sink]]\nname = \"a\"\nkind = \"ndjson\"\nfile = \"b\"").contains("file"));
    assert!(wrong("[[sink]]\nname = \"a\"\nkind = \"smoke\"").contains("smoke"));
    assert!(wrong("[alerts]\nfoo = 1").contains("foo"));
}
