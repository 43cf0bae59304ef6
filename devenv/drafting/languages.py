"""What package files say: tables of files, drivers, frameworks, and the images that run sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its package files.

    `image` runs its sources where there is no Dockerfile, by the first of `commands` whose file is there and
    has the words after `:`. A file may be a pattern; `{file}`, `{folder}` and `{module}` are of the one that
    is there. `port`: what its programs listen on unless a framework says.
    """

    name: str
    files: tuple[str, ...]
    image: str
    port: int
    commands: tuple[tuple[str, str], ...]


LANGUAGES = (
    Language(
        "Python",
        ("pyproject.toml", "requirements.txt", "requirements-dev.txt", "Pipfile", "setup.py"),
        "python:3.13-slim",
        8000,
        (
            ("manage.py", "{install} && python manage.py runserver 0.0.0.0:8000"),
            ("*.py:FastAPI(", "{install} && uvicorn {module}:app --host 0.0.0.0 --port 8000 --reload"),
            ("wsgi.py", "{install} && flask --app wsgi run --host 0.0.0.0 --port 8000"),
            ("app.py:Flask(", "{install} && flask run --host 0.0.0.0 --port 8000"),
            ("*.py:Flask(", "{install} && flask --app {module} run --host 0.0.0.0 --port 8000"),
            (
                "*.py:streamlit",
                "{install} && streamlit run {file} --server.address 0.0.0.0 --server.port 8000",
            ),
            ("main.py", "{install} && python main.py"),
            ("app.py", "{install} && python app.py"),
        ),
    ),
    Language("Go", ("go.mod",), "golang:1.26", 8080, (
        ("main.go", "go run ."),
        ("cmd/server/main.go", "go run ./{folder}"),
        ("cmd/api/main.go", "go run ./{folder}"),
        ("cmd/*/main.go", "go run ./{folder}"),
    )),
    Language(
        "Java", ("pom.xml",), "maven:3-eclipse-temurin-21", 8080,
        (("pom.xml:spring-boot", "mvn spring-boot:run"),),
    ),
    Language(
        "Java, by Gradle", ("build.gradle", "build.gradle.kts"), "gradle:8-jdk21", 8080,
        (
            ("build.gradle*:org.springframework.boot", "gradle bootRun"),
            ("build.gradle*:application", "gradle run"),
        ),
    ),
    Language(
        "Ruby", ("Gemfile",), "ruby:3.4", 3000,
        (
            ("bin/rails", "bundle install && bin/rails server -b 0.0.0.0"),
            ("config.ru", "bundle install && bundle exec rackup -o 0.0.0.0 -p 3000"),
        ),
    ),
    Language(
        "PHP", ("composer.json",), "composer:2", 8000,
        (
            (
                "artisan",
                "docker-php-ext-install pdo_mysql && composer install"
                " && php artisan serve --host 0.0.0.0 --port 8000",
            ),
            ("public/index.php", "composer install && php -S 0.0.0.0:8000 -t public"),
            ("index.php", "composer install && php -S 0.0.0.0:8000"),
        ),
    ),
    Language("Rust", ("Cargo.toml",), "rust:1", 8080, (("src/main.rs", "cargo run"),)),
    Language(
        ".NET", ("*.csproj",), "mcr.microsoft.com/dotnet/sdk:9.0", 8080,
        (("*.csproj:Microsoft.NET.Sdk.Web", "dotnet watch run --urls http://0.0.0.0:8080"),),
    ),
    Language("Elixir", ("mix.exs",), "elixir:1.18", 4000, ()),
    Language(
        "Node", ("package.json",), "node:24-slim", 3000,
        (
            ("package.json:start:dev", "{install} && {run} start:dev"),
            ("package.json:dev=vite", "{install} && {run} dev {options}--host"),
            ("package.json:dev", "{install} && {run} dev"),
            ("package.json:start", "{install} && {run} start"),
        ),
    ),
)  # fmt: skip
"""Of two that have their package files in a folder, the first one is what runs there; Node builds its pages.

The words of a package.json are a script, and what is in it after `=`."""

INSTALL = (
    (
        "pyproject.toml:[tool.poetry",
        "pip install poetry && poetry config virtualenvs.create false && poetry install --no-root",
    ),
    ("requirements.txt", "pip install -r requirements.txt"),
    ("pyproject.toml", "pip install uv && uv pip install --system -r pyproject.toml"),
)  # fmt: skip
"""How Python's packages are installed, by the file that lists them, and words in it."""

MANAGERS = (
    ("bun.lock", "oven/bun:1", "bun install", "bun run", ""),
    ("bun.lockb", "oven/bun:1", "bun install", "bun run", ""),
    ("pnpm-lock.yaml", "", "npm install --global pnpm && pnpm install", "pnpm run", ""),
    ("pnpm-workspace.yaml", "", "npm install --global pnpm && pnpm install", "pnpm run", ""),
    ("yarn.lock", "", "yarn install", "yarn run", ""),
    ("", "", "npm install", "npm run", "-- "),
)
"""Node's package managers: lock file, image, how each installs, runs a script, and gives it options."""

SCHEMES: Mapping[str, str] = {
    "postgres": "postgres", "postgresql": "postgres", "mysql": "mysql", "mongodb": "mongo", "redis": "valkey",
    "amqp": "rabbitmq", "nats": "nats",
}  # fmt: skip
"""Scheme of a URL -> the kind that is reached by it."""
STORE_PORTS: Mapping[str, str] = {
    "5432": "postgres", "3306": "mysql", "27017": "mongo", "6379": "valkey", "5672": "rabbitmq",
    "9092": "kafka", "9200": "elasticsearch", "4222": "nats", "11211": "memcached", "1025": "mailpit",
    "9000": "minio",
}  # fmt: skip
"""Port of this machine -> the kind that it is known for."""
CONNECTIONS: Mapping[str, str] = {"mysql": "mysql", "mariadb": "mysql", "pgsql": "postgres"}
"""What a `DB_CONNECTION` names -> the kind."""

DRIVERS: Mapping[str, tuple[str, ...]] = {
    "postgres": (
        "psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary", "asyncpg", "pg8000", "pg",
        "pg-promise", "postgres",
        "@prisma/adapter-pg", "github.com/jackc/pgx", "github.com/lib/pq", "org.postgresql", "postgresql",
        "github.com/jackc/pgx/v5", "gorm.io/driver/postgres", "tokio-postgres", "prisma:postgresql",
        "npgsql", "npgsql.entityframeworkcore.postgresql", "postgrex",
    ),
    "mysql": (
        "mysqlclient", "pymysql", "aiomysql", "asyncmy", "mysql-connector-python", "mysql2", "mysql",
        "mariadb", "trilogy",
        "github.com/go-sql-driver/mysql", "gorm.io/driver/mysql", "mysql-connector-j",
        "mysql-connector-java", "prisma:mysql", "pomelo.entityframeworkcore.mysql", "mysql.data",
        "myxql",
    ),
    "mongo": (
        "pymongo", "motor", "mongoengine", "beanie", "mongodb", "mongoose", "mongoid", "mongo",
        "go.mongodb.org/mongo-driver", "go.mongodb.org/mongo-driver/v2", "spring-boot-starter-data-mongodb",
        "prisma:mongodb", "mongodb.driver", "mongodb/mongodb", "mongodb/laravel-mongodb",
        "mongodb_driver",
    ),
    "valkey": (
        "redis", "valkey", "aioredis", "celery", "rq", "ioredis", "bull", "bullmq", "sidekiq", "resque",
        "arq",
        "github.com/redis/go-redis/v9", "github.com/go-redis/redis/v8", "spring-boot-starter-data-redis",
        "connect-redis",
        "iovalkey", "github.com/valkey-io/valkey-go", "django-redis", "predis/predis", "stackexchange.redis",
        "redix",
    ),
    "minio": (
        "boto3", "aioboto3", "aiobotocore", "minio", "@aws-sdk/client-s3", "aws-sdk-s3", "django-storages",
        "github.com/minio/minio-go/v7", "github.com/aws/aws-sdk-go-v2/service/s3",
        "ex_aws_s3",
    ),
    "rabbitmq": (
        "pika", "aio-pika", "amqplib", "bunny", "github.com/rabbitmq/amqp091-go",
        "spring-boot-starter-amqp", "kombu", "lapin", "rabbitmq.client", "php-amqplib/php-amqplib",
        "amqp", "broadway_rabbitmq",
    ),
    "nats": ("nats-py", "nats", "github.com/nats-io/nats.go", "nats-pure"),
    "memcached": ("pymemcache", "python-memcached", "pylibmc", "memcached", "dalli"),
    "mailpit": ("nodemailer", "aiosmtplib", "fastapi-mail", "flask-mail", "spring-boot-starter-mail"),
    "kafka": (
        "kafkajs", "kafka-python", "confluent-kafka", "aiokafka", "github.com/segmentio/kafka-go",
        "spring-kafka", "rdkafka", "confluent.kafka",
        "brod", "kafka_ex", "broadway_kafka",
    ),
    "elasticsearch": ("elasticsearch", "@elastic/elasticsearch", "elasticsearch-dsl", "elasticsearch-rails"),
    "opensearch": ("opensearch-py", "@opensearch-project/opensearch"),
}  # fmt: skip
"""Kind -> packages that talk to it."""

SQLALCHEMY = ("sqlalchemy", "sqlmodel", "flask-sqlalchemy")
NATIVE: Mapping[str, tuple[str, ...]] = {
    "postgres": ("psycopg2", "psycopg2-binary"),
    "mysql": ("mysqlclient",),
}
"""Kind -> packages of the driver that SQLAlchemy takes for a URL that names none."""
DIALECTS: Mapping[str, Mapping[str, str]] = {
    "postgres": {
        "psycopg": "postgresql+psycopg", "asyncpg": "postgresql+asyncpg", "pg8000": "postgresql+pg8000",
    },
    "mysql": {
        "pymysql": "mysql+pymysql", "aiomysql": "mysql+aiomysql", "asyncmy": "mysql+asyncmy",
        "mysql-connector-python": "mysql+mysqlconnector",
    },
}  # fmt: skip
"""Kind -> package of another driver -> the scheme by which SQLAlchemy takes it."""

FRAMEWORK_PORTS: Mapping[str, int] = {
    "flask": 5000, "streamlit": 8501, "vite": 5173, "@angular/cli": 4200, "gatsby": 8000, "astro": 4321,
    "sinatra": 4567, "react-scripts": 3000, "next": 3000, "nuxt": 3000, "rails": 3000,
}  # fmt: skip
"""Package -> the port that its programs listen on while people work on them."""

GRPC = (
    "grpcio", "@grpc/grpc-js", "google.golang.org/grpc", "grpc", "tonic", "grpc.aspnetcore", "grpc-netty",
    "grpc-netty-shaded", "io.grpc",
)  # fmt: skip
GRPC_PORTS = range(50051, 50060)
"""The ports that its servers have by custom."""

INJECTED: Mapping[str, tuple[str, ...]] = {
    "postgres": ("DATABASE_URL", "POSTGRES_URL", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"),
    "mysql": (
        "DATABASE_URL", "MYSQL_URL", "MYSQL_HOST", "MYSQL_PORT", "MYSQL_USER", "MYSQL_PASSWORD",
        "MYSQL_DATABASE",
    ),
    "mongo": ("MONGO_URL", "MONGODB_URI"),
    "valkey": ("REDIS_URL", "VALKEY_URL"),
    "minio": (
        "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "S3_BUCKET",
    ),
    "rabbitmq": (
        "AMQP_URL", "RABBITMQ_URL", "RABBITMQ_HOST", "RABBITMQ_PORT", "RABBITMQ_USER",
        "RABBITMQ_PASSWORD",
    ),
    "mailpit": ("SMTP_HOST", "SMTP_PORT", "SMTP_URL"),
}  # fmt: skip
"""Kind -> variables that whoever uses it is given."""

_LOGIN = {
    "HOST": "host", "PORT": "port", "USER": "user", "USERNAME": "user", "PASSWORD": "password",
    "PASS": "password",
}  # fmt: skip
_SQL = {**_LOGIN, "NAME": "database", "DATABASE": "database"}
PARTS: Mapping[str, Mapping[str, str]] = {
    "postgres": _SQL,
    "mysql": _SQL,
    "valkey": {"HOST": "host", "PORT": "port"},
    "mongo": {"HOST": "host", "PORT": "port", "DATABASE": "database"},
    "minio": {
        "ACCESS_KEY": "user", "ACCESS_KEY_ID": "user", "KEY": "user", "ROOT_USER": "user",
        "SECRET_KEY": "password", "SECRET_ACCESS_KEY": "password", "SECRET": "password",
        "ROOT_PASSWORD": "password", "REGION": "region", "BUCKET": "bucket", "BUCKET_NAME": "bucket",
    },
    "rabbitmq": {**_LOGIN, "VHOST": "vhost"},
    "mailpit": {"HOST": "host", "PORT": "port"},
}  # fmt: skip
"""Kind -> end of a variable (`DB_HOST`) -> the attribute that it repeats."""

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "postgres": ("DB", "DATABASE", "POSTGRES", "PG", "SQL"),
    "mysql": ("DB", "DATABASE", "MYSQL", "SQL"),
    "valkey": ("REDIS", "VALKEY", "CACHE"),
    "mongo": ("MONGO", "MONGODB"),
    "minio": ("S3", "MINIO", "AWS_S3", "AWS"),
    "rabbitmq": ("RABBITMQ", "RABBIT", "AMQP"),
    "mailpit": ("SMTP", "MAIL", "EMAIL", "MAILER"),
}
"""Kind -> beginnings of the variables about it."""
