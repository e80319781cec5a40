import pytest

from hstore.store.errors import BadUrl
from hstore.store.url import OPTIONS, connect, parse


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("mongodb://localhost/db", "db"),
        ("mongodb://localhost:27018/my-db?replicaSet=rs", "my-db"),
        ("mongodb://user:p%40ss@a,b:27018,c/db?authSource=admin&w=1", "db"),
        ("mongodb://%2Ftmp%2Fmongod.sock/hstore?directConnection=true", "hstore"),
        ("mongodb://[::1]:27017/db", "db"),
        ("mongodb+srv://user:pass@cluster.example.net/db", "db"),
    ],
)
def test_standard_urls_go_to_the_driver_untouched(url: str, database: str) -> None:
    place = parse(url)
    assert (place.uri, place.database) == (url, database)


def test_hyperopts_urls_are_translated() -> None:
    assert parse("mongo://localhost:1234/foo_db/jobs").uri == "mongodb://localhost:1234/foo_db"
    assert parse("mongo://u:p@h:1/db/jobs?authSource=admin").uri == "mongodb://u:p@h:1/db?authSource=admin"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "not the URL"),
        ("localhost:27017/db", "not the URL"),
        ("http://localhost/db", "not the URL"),
        ("mongodb://", "no host"),
        ("mongodb:///db", "no host"),
        ("mongodb://localhost", "no database"),
        ("mongodb://localhost/", "no database"),
        ("mongodb://localhost/?replicaSet=rs", "no database"),
        ("mongodb://localhost:port/db", "not understood"),
        ("mongodb://localhost:99999/db", "not understood"),
        ("mongodb://a b/db?w=x&w", "not understood"),
        ("mongodb://us%er@localhost/db", "not understood"),
        ("mongodb://localhost/a.b", "cannot be the name"),
        ("mongodb://localhost/a$b", "cannot be the name"),
        ("mongodb://localhost/" + "x" * 64, "cannot be the name"),
        ("mongodb://localhost/db?nosuchoption=1", "not understood"),
        ("mongo://localhost:1/db", "host:port/db/jobs"),
        ("mongo://", "host:port/db/jobs"),
    ],
)
def test_a_url_of_the_wrong_shape_is_one_line_that_says_why(url: str, why: str) -> None:
    with pytest.raises(BadUrl, match=why) as caught:
        parse(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["mongodb://me:secret@localhost", "mongodb://me:secret@h:port/db", "http://me:secret@h/db"]
)
def test_a_password_is_never_shown(url: str) -> None:
    with pytest.raises(BadUrl) as caught:
        parse(url)
    assert "secret" not in str(caught.value)
    assert "secret" not in parse("mongodb://me:secret@h/db").shown


def test_what_the_url_sets_goes_before_what_we_set() -> None:
    database = connect(parse("mongodb://localhost/db?appname=mine&SOCKETTIMEOUTMS=77"))
    options = database.client.options
    assert options.pool_options.socket_timeout == 0.077
    assert options.pool_options.metadata["application"]["name"] == "mine"
    assert options.server_selection_timeout == OPTIONS["serverSelectionTimeoutMS"] / 1000
    assert database.write_concern.document == {"w": "majority"}
    assert database.read_concern.document == {"level": "majority"}
    database.client.close()


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://me:sec/ret@h/db",
        "mongodb://me:s@ec:ret@h/db",
        "mongodb://me:sec?ret@h/db",
        "mongodb://me:sec%ret@h/db",
        "mongodb://me:a:sec ret@h/db",
        "mongodb://me:sec\nret@h/db",
        "mongo://me:sec@ret@h:1/db",
        "mongodb://me@h/db?tlsCertificateKeyFilePassword=secret&nosuch=1",
        "mongodb://h/db?authMechanismProperties=AWS_SESSION_TOKEN:secret&nosuch=1",
    ],
)
def test_not_even_parts_of_a_password_that_is_not_escaped_are_shown(url: str) -> None:
    try:
        shown = parse(url).shown
    except BadUrl as error:
        shown = f"{error} {error.hint}"
    assert "ret" not in shown.replace("secrets", "")
    assert "sec" not in shown
    assert "\n" not in shown


def test_an_at_sign_among_the_options_is_no_login() -> None:
    assert parse("mongodb://h:27017/db?appname=a@b").database == "db"
    assert parse("mongodb://h/db?appname=a@b").database == "db"


def test_a_url_may_come_with_the_line_it_stood_in() -> None:
    assert parse(" mongodb://h/db\n").uri == "mongodb://h/db"


def test_a_file_that_the_url_names_and_that_is_not_there_is_told() -> None:
    with pytest.raises(BadUrl, match=r"is not understood: \S"):  # in the driver's words
        parse("mongodb://h/db?tls=true&tlsCAFile=/no/such.pem")
