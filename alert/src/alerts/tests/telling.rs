use serde_json::json;
use trailhound_detect::Severity;

use super::*;
use crate::sink::webhook;

#[tokio::test]
async fn thirty_findings_are_one_message() {
    let mut scene = Scene::new(&format!("[accounts]\n\"111122223333\" = \"production\"\n{HOOK}")).await;
    let mut findings: Vec<Finding> = (0..30).map(|n| finding(&format!("f{n:02}"), PERSON, NOW + n * SECOND)).collect();
    findings[29].severity = Severity::Critical;
    findings[29].title = "ana made herself an administrator".into();
    scene.raise(&findings).await;
    assert_eq!(scene.work().await, [Noted::Delivered]);
    let told = &scene.bodies()[0];
    assert_eq!(told["title"], "ana made herself an administrator");
    assert_eq!((&told["severity"], &told["revision"], &told["state"]), (&json!("critical"), &json!(1), &json!("open")));
    assert_eq!(told["findings_total"], 30);
    assert_eq!(told["findings"].as_array().unwrap().len(), 10);
    assert_eq!(told["findings"][0]["id"], "f29");
    assert_eq!(told["accounts"][0]["name"], "production");
    assert_eq!(told["runbook"], "Look at o''neil.");

    // More events of what was told are no news; more findings are, but not at once; a graver one is at once.
    let mut more = finding("f00", PERSON, NOW);
    more.last_time = NOW + 60 * SECOND;
    more.count = 9;
    scene.change(ChangeKind::Amended, &[more]).await;
    assert_eq!(scene.work().await, []);
    scene.raise(&[finding("f30", PERSON, NOW)]).await;
    scene.raise(&[finding("f31", PERSON, NOW)]).await;
    assert_eq!(scene.work().await, []);
    scene.pass(60 * SECOND);
    assert_eq!(scene.work().await, [Noted::Delivered]);
    let told = &scene.bodies()[0];
    assert_eq!((&told["findings_total"], &told["revision"]), (&json!(32), &json!(3)));
}

#[tokio::test]
async fn a_sink_that_fails_is_tried_again_with_its_own_pause() {
    let mut scene = Scene::new(HOOK).await;
    scene.receiver.answer([Answer::Later(429, "120"), Answer::Status(500, "oh"), Answer::Silence]);
    scene.raise(&[finding("f", PERSON, NOW)]).await;
    assert_eq!(scene.work().await, [Noted::Retried]);
    scene.pass(119 * SECOND);
    assert_eq!(scene.work().await, [], "it asked for two minutes");
    scene.pass(2 * SECOND);
    assert_eq!(scene.work().await, [Noted::Retried]);
    assert_eq!(scene.ask("SELECT last_error FROM outbox").await, ["HTTP 500 Internal Server Error: oh"]);
    let unknown = "SELECT CAST(unknown_outcome AS TEXT) FROM outbox";
    assert_eq!(scene.ask(unknown).await, ["0"]);
    scene.pass(10 * SECOND);
    assert_eq!(scene.work().await, [Noted::Retried]);
    assert_eq!(scene.ask(unknown).await, ["1"], "it may have arrived");

    // The service is started again and goes on, with the same id and revision.
    scene.pass(60 * SECOND);
    scene.restart(HOOK).await;
    assert_eq!(scene.work().await, [Noted::Delivered]);
    let ids: Vec<String> = scene
        .receiver
        .take()
        .iter()
        .map(|request| request.headers[webhook::ID_HEADER].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 4);
    assert!(ids[0].ends_with(":1") && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(scene.ask("SELECT incident_id FROM outbox").await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_refused_is_a_dead_letter_and_can_be_replayed() {
    let text = format!(
        "{HOOK}[[sink]]\nname = \"other\"\nkind = \"webhook\"\nurl = \"RECEIVER/other\"\n[[route]]\nrules = [\"watch/*\"]\nsinks = [\"other\"]\n"
    );
    let mut scene = Scene::new(&text).await;
    scene.receiver.answer([Answer::Status(400, "bad \u{1b}[2J blocks"), Answer::Status(404, "no such hook")]);
    scene.raise(&[finding("f", PERSON, NOW)]).await;
    // The watch over the failing sink goes to both: refused here, delivered there.
    assert_eq!(scene.work().await, [Noted::Dead, Noted::Dead, Noted::Delivered]);
    let reasons = scene.ask("SELECT reason FROM dead_letters ORDER BY reason").await;
    assert_eq!(reasons, ["HTTP 400 Bad Request: bad ␛[2J blocks", "HTTP 404 Not Found: no such hook"]);
    let requests = scene.receiver.take();
    let warning: Value = serde_json::from_str(&requests[2].body).unwrap();
    assert_eq!((requests[2].path.as_str(), warning["kind"].as_str()), ("/other", Some("watch")));
    assert_eq!(scene.alerts.open_watches().await.unwrap()[0].key, "hook");

    assert_eq!(scene.alerts.replay_dead("hook").await.unwrap(), 2);
    assert_eq!(scene.ask("SELECT reason FROM dead_letters").await, Vec::<String>::new());
    scene.work().await;
    assert!(scene.alerts.open_watches().await.unwrap().is_empty(), "it works again");
    let told: Vec<String> = scene.bodies().iter().map(|b| format!("{} {}", b["kind"], b["state"])).collect();
    assert!(told.contains(&"\"incident\" \"open\"".to_string()), "{told:?}");
    assert!(told.contains(&"\"watch\" \"closed\"".to_string()), "{told:?}");
}

#[tokio::test]
async fn what_fails_for_a_day_is_given_up() {
    let mut scene = Scene::new(HOOK).await;
    scene.raise(&[finding("f", PERSON, NOW)]).await;
    let mut last = Vec::new();
    for hour in 0..30 {
        scene.receiver.answer([Answer::Status(503, "down"), Answer::Status(503, "down")]);
        last = scene.work().await;
        if last.contains(&Noted::Dead) {
            assert!(hour >= 24, "given up after {hour} hours");
            break;
        }
        scene.pass(HOUR);
    }
    assert!(last.contains(&Noted::Dead));
    assert!(scene.ask("SELECT reason FROM dead_letters").await[0].starts_with("given up after 25 tries"));
}

#[tokio::test]
async fn at_pagerduty_an_incident_is_one_alert_from_trigger_to_resolve() {
    let mut scene = Scene::new(PAGER).await;
    scene.raise(&[finding("a", PERSON, NOW), finding("b", PERSON, NOW)]).await;
    scene.work().await;
    let id = scene.ask("SELECT id FROM incidents").await.remove(0);
    scene.alerts.acknowledge(&id).await.unwrap();
    scene.work().await;
    scene.change(ChangeKind::Retracted, &[finding("a", PERSON, NOW)]).await;
    scene.pass(60 * SECOND);
    scene.work().await;
    scene.change(ChangeKind::Retracted, &[finding("b", PERSON, NOW)]).await;
    scene.work().await;
    // The same finding again: the same incident, open again.
    scene.raise(&[finding("a", PERSON, NOW)]).await;
    scene.work().await;
    scene.alerts.close(&id, "it was me").await.unwrap();
    scene.work().await;
    let events = scene.bodies();
    let actions: Vec<&str> = events.iter().map(|e| e["event_action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["trigger", "acknowledge", "acknowledge", "resolve", "trigger", "resolve"]);
    assert!(events.iter().all(|e| e["dedup_key"] == id.as_str()));
    assert_eq!(scene.ask("SELECT closed_reason FROM incidents").await, ["it was me"]);
    assert!(matches!(scene.alerts.close("TH-nothing", "").await, Err(AlertError::UnknownIncident { .. })));
}

#[tokio::test]
async fn what_closes_before_it_was_told_is_never_told() {
    let mut scene = Scene::new(HOOK).await;
    scene.raise(&[finding("a", PERSON, NOW)]).await;
    scene.change(ChangeKind::Retracted, &[finding("a", PERSON, NOW)]).await;
    assert_eq!(scene.work().await, []);
    assert_eq!(scene.ask("SELECT closed_reason FROM incidents").await, ["retracted"]);
}

#[tokio::test]
async fn history_is_found_but_not_told_until_something_happens() {
    let mut scene = Scene::new(HOOK).await;
    scene.raise(&[finding("old", PERSON, NOW - 90 * MINUTE)]).await;
    assert_eq!(scene.work().await, []);
    assert_eq!(scene.ask("SELECT CAST(history AS TEXT) || state FROM incidents").await, ["1open"]);
    // A restart does not move the line.
    scene.pass(3 * HOUR);
    scene.restart(HOOK).await;
    scene.raise(&[finding("new", PERSON, NOW - 45 * MINUTE)]).await;
    assert_eq!(scene.work().await, [Noted::Delivered]);
    assert_eq!(scene.bodies()[0]["findings_total"], 2);
}

#[tokio::test]
async fn above_the_limit_a_minute_alerts_wait_and_say_so() {
    let mut scene = Scene::new(&format!("[alerts]\nper_minute_max = 2\n{HOOK}")).await;
    for n in 0..5 {
        scene.raise(&[finding(&format!("f{n}"), &format!("{PERSON}{n}"), NOW)]).await;
    }
    assert_eq!(scene.work().await.len(), 2);
    scene.pass(59 * SECOND);
    assert_eq!(scene.work().await.len(), 0);
    scene.pass(SECOND);
    assert_eq!(scene.work().await.len(), 2);
    scene.pass(60 * SECOND);
    assert_eq!(scene.work().await.len(), 1);
    let waiting: Vec<Value> = scene.bodies().iter().map(|body| body["waiting"].clone()).collect();
    assert_eq!(waiting, [0, 0, 2, 0, 0], "the first after the pause says it for all");
}

#[tokio::test]
async fn a_webhook_is_signed_and_may_have_a_template() {
    let text = "[[sink]]\nname = \"hook\"\nkind = \"webhook\"\nurl = { file = \"FOLDER/url\" }\n\
        hmac_key = { file = \"FOLDER/key\" }\ntemplate = '{\"text\": {{ title }}}'\n[[route]]\nsinks = [\"hook\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::new("").await;
    std::fs::write(folder.path().join("url"), format!("{}/secret-path", scene.receiver.url)).unwrap();
    std::fs::write(folder.path().join("key"), "the key\n").unwrap();
    let text = text.replace("FOLDER", &folder.path().display().to_string());
    scene.alerts.reload(config(&text, &scene.receiver)).await.unwrap();
    scene.receiver.answer([Answer::Status(410, "gone")]);
    scene.raise(&[finding("f", "\"}<!channel>", NOW)]).await;
    scene.work().await;
    let request = scene.receiver.take().remove(0);
    assert_eq!(request.path, "/secret-path");
    assert_eq!(serde_json::from_str::<Value>(&request.body).unwrap(), json!({"text": "\"}<!channel> created a key"}));
    let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header(webhook::TIMESTAMP_HEADER), (NOW / SECOND).to_string());
    let expected = webhook::signature(b"the key", &header(webhook::TIMESTAMP_HEADER), request.body.as_bytes());
    assert_eq!(header(webhook::SIGNATURE_HEADER), expected);
    for shown in
        [format!("{:?}", scene.alerts.setup().sinks), scene.ask("SELECT reason FROM dead_letters").await.join("")]
    {
        assert!(!shown.contains("the key") && !shown.contains("secret-path"), "{shown}");
    }
    // A sink that is not there: no secret address in what is kept of it.
    std::fs::write(folder.path().join("url"), "http://127.0.0.1:9/secret-path").unwrap();
    scene.alerts.reload(config(&text, &scene.receiver)).await.unwrap();
    scene.alerts.replay_dead("hook").await.unwrap();
    assert_eq!(scene.work().await[0], Noted::Retried);
    let reason = scene.ask("SELECT last_error FROM outbox").await.remove(0);
    assert!(!reason.contains("secret-path") && !reason.is_empty(), "{reason}");
}

#[tokio::test]
async fn a_slack_bot_keeps_one_message_and_a_thread() {
    let text = "[[sink]]\nname = \"soc\"\nkind = \"slack\"\nbot_token = { env = \"PATH\" }\nchannel = \"C0\"\n\
        endpoint_url = \"RECEIVER/base/\"\n[[route]]\nsinks = [\"soc\"]\n";
    let mut scene = Scene::new(text).await;
    // PATH is no token by its form, only by being there.
    scene.raise(&[finding("a", PERSON, NOW)]).await;
    scene.receiver.answer([Answer::Status(200, r#"{"ok": false, "error": "ratelimited"}"#)]);
    assert_eq!(scene.work().await, [Noted::Retried]);
    scene.pass(60 * SECOND);
    assert_eq!(scene.work().await, [Noted::Delivered]);
    scene.pass(60 * SECOND);
    scene.raise(&[finding("b", PERSON, NOW)]).await;
    assert_eq!(scene.work().await, [Noted::Delivered]);
    let requests = scene.receiver.take();
    let paths: Vec<&str> = requests.iter().map(|r| r.path.as_str()).collect();
    let (post, update) = ("/base/api/chat.postMessage", "/base/api/chat.update");
    assert_eq!(paths, [post, post, update, post]);
    let body = |n: usize| serde_json::from_str::<Value>(&requests[n].body).unwrap();
    assert_eq!(body(1)["channel"], "C0");
    assert_eq!((&body(2)["channel"], &body(2)["ts"]), (&json!("C1"), &json!("1700000000.000100")));
    assert_eq!(body(3)["thread_ts"], "1700000000.000100");
    assert!(body(3)["text"].as_str().unwrap().lines().count() == 1, "only what is new: {}", body(3)["text"]);
    assert!(requests[1].headers["authorization"].to_str().unwrap().starts_with("Bearer "));

    // The message was deleted by somebody: it is posted anew. A wrong token is final.
    scene.receiver.answer([Answer::Status(200, r#"{"ok": false, "error": "message_not_found"}"#)]);
    scene.pass(60 * SECOND);
    scene.raise(&[finding("c", PERSON, NOW)]).await;
    assert_eq!(scene.work().await, [Noted::Delivered]);
    scene.receiver.answer([Answer::Status(200, r#"{"ok": false, "error": "invalid_auth"}"#)]);
    scene.pass(60 * SECOND);
    scene.raise(&[finding("d", PERSON, NOW)]).await;
    assert_eq!(scene.work().await[0], Noted::Dead);
    assert_eq!(scene.ask("SELECT reason FROM dead_letters").await[0], "Slack says invalid_auth");
}

#[tokio::test]
async fn a_reload_is_whole_or_not_at_all() {
    let mut scene = Scene::new(HOOK).await;
    let wrong = config(&format!("{HOOK}[[route]]\nsinks = [\"nobody\"]\n"), &scene.receiver);
    assert!(matches!(scene.alerts.reload(wrong).await, Err(AlertError::Config { .. })));
    let unread = HOOK.replace("url =", "hmac_key = { env = \"TRAILHOUND_NOT_SET\" }\nurl =");
    let error = scene.alerts.reload(config(&unread, &scene.receiver)).await.unwrap_err();
    assert_eq!(error.to_string(), "sink.hook.hmac_key: the environment variable TRAILHOUND_NOT_SET cannot be read");
    scene.raise(&[finding("a", PERSON, NOW)]).await;
    assert_eq!(scene.work().await, [Noted::Delivered], "the one before is at work");

    scene.raise(&[finding("b", "bob", NOW)]).await;
    scene.alerts.reload(config(PAGER, &scene.receiver)).await.unwrap();
    assert_eq!(scene.ask("SELECT sink || ': ' || reason FROM dead_letters").await.len(), 1);
    scene.raise(&[finding("c", "carol", NOW)]).await;
    scene.receiver.take();
    assert_eq!(scene.work().await, [Noted::Delivered]);
    assert_eq!(scene.receiver.take()[0].path, "/v2/enqueue");
}

#[tokio::test]
async fn the_service_watches_itself() {
    let mut scene = Scene::new(HOOK).await;
    for text in ["3 objects are parked", "4 objects are parked", "4 objects are parked"] {
        scene.alerts.watch("parked", "objects", Some(text)).await.unwrap();
    }
    scene.alerts.watch("parked", "messages", None).await.unwrap();
    assert_eq!(scene.work().await, [Noted::Delivered]);
    scene.alerts.watch("parked", "objects", Some("5 objects are parked")).await.unwrap();
    assert_eq!(scene.work().await, [], "a number that grows is no news");
    let open = scene.alerts.open_watches().await.unwrap();
    assert_eq!((open.len(), open[0].text.as_str()), (1, "5 objects are parked"));
    scene.alerts.watch("parked", "objects", None).await.unwrap();
    scene.alerts.watch("parked", "objects", None).await.unwrap();
    assert_eq!(scene.work().await, [Noted::Delivered]);
    let told = scene.bodies();
    assert_eq!((&told[0]["kind"], &told[0]["title"]), (&json!("watch"), &json!("4 objects are parked")));
    assert_eq!((&told[1]["id"], &told[1]["state"]), (&told[0]["id"], &json!("closed")));
}

#[tokio::test]
async fn a_test_message_has_a_clear_verdict() {
    let scene = Scene::new(&format!("{HOOK}{PAGER}")).await;
    let good = scene.alerts.test_sink("pager").await.unwrap();
    assert!(good.delivered, "{good:?}");
    let events = scene.bodies();
    assert_eq!((&events[0]["event_action"], &events[1]["event_action"]), (&json!("trigger"), &json!("resolve")));
    assert!(events[0]["payload"]["summary"].as_str().unwrap().contains("test"));
    scene.receiver.answer([Answer::Status(403, "no"), Answer::Silence]);
    let refused = scene.alerts.test_sink("hook").await.unwrap();
    assert_eq!((refused.delivered, refused.detail.as_str()), (false, "refused: HTTP 403 Forbidden: no"));
    let silent = scene.alerts.test_sink("hook").await.unwrap();
    assert!(silent.detail.starts_with("nobody knows whether it was delivered: timed out"), "{silent:?}");
    let unknown = scene.alerts.test_sink("nobody").await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no sink `nobody`; there are: hook, pager");
    assert_eq!(scene.ask("SELECT id FROM incidents").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn running_workers_tell_and_drain() {
    let scene = Scene::new(&format!("[alerts]\nper_minute_max = 1000\n{HOOK}")).await;
    let heard: Arc<Mutex<Vec<Told>>> = Arc::default();
    let hears = heard.clone();
    scene.alerts.on_told(move |told| hears.lock().unwrap().push(told.clone()));
    let cancel = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(scene.alerts.clone().run(cancel.clone(), Duration::from_secs(20)));
    scene.raise(&[finding("first", PERSON, NOW)]).await;
    scene.receiver.wait().await;
    for n in 0..20 {
        scene.raise(&[finding(&format!("f{n}"), &format!("{PERSON}{n}"), NOW)]).await;
    }
    cancel.cancel();
    running.await.unwrap();
    assert_eq!(scene.receiver.take().len(), 21);
    assert_eq!(scene.ask("SELECT incident_id FROM outbox").await, Vec::<String>::new());
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 21);
    assert_eq!(heard[0].account_id.as_deref(), Some("111122223333"));
    let session = scene.store.session().await.unwrap();
    tables::register(scene.store.ledger(), &session).await.unwrap();
    let sql = "SELECT i.severity, count(*) AS n FROM incidents i JOIN deliveries d ON d.incident_id = i.id
        JOIN incident_findings f ON f.incident_id = i.id LEFT JOIN dead_letters x ON x.incident_id = i.id
        LEFT JOIN outbox o ON o.incident_id = i.id WHERE NOT i.history AND i.opened_time < now() + INTERVAL '9 years'
        GROUP BY 1";
    let answer = session.sql(sql).await.unwrap().collect().await.unwrap();
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&answer).unwrap().to_string();
    assert!(text.contains("| medium   | 21 |"), "{text}");
}

#[tokio::test]
async fn metrics_follow_the_ledger() {
    let mut scene = Scene::new(HOOK).await;
    let registry = prometheus::Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    scene.raise(&[finding("a", PERSON, NOW)]).await;
    scene.pass(30 * SECOND);
    let setup = scene.alerts.setup();
    metrics.measure(scene.store.ledger().pool(), &setup, scene.now()).await.unwrap();
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in [
        "trailhound_outbox_pending{sink=\"hook\"} 1",
        "trailhound_outbox_oldest_seconds{sink=\"hook\"} 30",
        "trailhound_incidents_open{severity=\"medium\"} 1",
        "trailhound_incidents_open{severity=\"critical\"} 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    scene.work().await;
    metrics.measure(scene.store.ledger().pool(), &setup, scene.now()).await.unwrap();
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(text.contains("trailhound_outbox_pending{sink=\"hook\"} 0"), "{text}");
}
