//! Word lists that names are drawn from, so that no rule can key on a name.

pub static WORDS: &[&str] = &[
    "amber", "anchor", "arbor", "atlas", "basalt", "beacon", "billing", "birch", "bolt", "bridge", "canvas", "cargo", "cedar", "checkout", "cinder", "cobalt", "compass", "copper", "coral", "delta", "draft", "ember",
    "export", "falcon", "feeds", "fern", "flint", "forge", "garnet", "glacier", "grove", "harbor", "hazel", "indigo", "ingest", "iris", "jasper", "juniper", "kelp", "kiosk", "lagoon", "lantern", "ledger", "lotus",
    "mailer", "maple", "marble", "meadow", "media", "metrics", "mosaic", "nectar", "nimbus", "oasis", "onyx", "orders", "orchid", "parcel", "payments", "pebble", "pine", "plaza", "prism", "quarry", "quartz", "raven",
    "reports", "ripple", "river", "saffron", "search", "sentry", "signal", "slate", "spruce", "stock", "summit", "sync", "tariff", "tidal", "timber", "topaz", "tracker", "tundra", "umber", "vault", "vector", "velvet",
    "walnut", "warehouse", "willow", "zephyr",
];

pub static FIRST_NAMES: &[&str] = &[
    "ana", "ben", "carla", "dario", "elif", "farid", "greta", "hugo", "ines", "jonas", "kira", "liam", "mira", "nils", "olga", "pavel", "quentin", "rosa", "samir", "tess", "uma", "viktor", "wanda", "xavier", "yara", "zoe",
    "arjun", "bruna", "chen", "divya", "emeka", "fumiko", "gabriel", "hana", "ivan", "joana", "kwame", "lucia", "mateo", "noor",
];

pub static LAST_NAMES: &[&str] = &[
    "almeida", "bauer", "castro", "dimov", "eriksen", "ferreira", "goldberg", "haddad", "ivanov", "janssen", "kowalski", "lindgren", "moreau", "nakamura", "okafor", "petrov", "quinn", "rossi", "schmidt", "tanaka",
    "ueda", "vargas", "weber", "xu", "yilmaz", "zimmer", "abbott", "brandt", "costa", "dubois", "egan", "fischer", "gupta", "holm", "iyer", "jensen", "khan", "larsen", "mendes", "novak",
];

pub static COMPANY: &[&str] = &["brightfern", "northmoor", "calderon", "tidewell", "hollowoak", "merriden", "larkspur", "stonebay", "ashgrove", "winterline"];

/// Browsers as `User-Agent` has them, newest-looking last.
pub static BROWSERS: &[&str] = &[
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
];

/// Operating systems of laptops as the AWS CLI names them; the index pairs with `browser_for`.
pub static LAPTOPS: &[(&str, &str)] = &[
    ("md/awscrt#0.23.4 ua/2.0 os/macos#24.1.0 md/arch#arm64 lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off", "Macintosh"),
    ("md/awscrt#0.23.4 ua/2.0 os/windows#11 md/arch#amd64 lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off", "Windows"),
    ("md/awscrt#0.23.4 ua/2.0 os/linux#6.8.0-48-generic md/arch#x86_64 lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/distrib#ubuntu.24 md/prompt#off", "X11"),
];

/// Clients that intruders bring: ordinary tools more often than telling ones.
pub static INTRUDER_AGENTS: &[&str] = &[
    "aws-cli/1.33.2 Python/3.11.9 Linux/6.6.9-amd64 botocore/1.34.120",
    "aws-cli/2.17.9 md/awscrt#0.20.11 ua/2.0 os/linux#6.8.11-amd64 md/arch#x86_64 lang/python#3.11.8 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/distrib#kali.2024 md/prompt#off",
    "Boto3/1.34.84 md/Botocore#1.34.84 ua/2.0 os/windows#10 md/arch#amd64 lang/python#3.10.11 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.84",
    "Boto3/1.28.0 Python/3.10.12 Linux/5.15.0-91-generic Botocore/1.31.0",
    "aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64",
    "aws-sdk-go/1.44.298 (go1.20.6; linux; amd64)",
    "aws-sdk-js/2.1500.0 linux/v18.19.0 promise",
    "aws-sdk-java/1.12.261 Windows_Server_2022/10.0 OpenJDK_64-Bit_Server_VM/11.0.16+8 java/11.0.16 vendor/Eclipse_Adoptium cfg/retry-mode/legacy",
    "python-requests/2.31.0",
];
