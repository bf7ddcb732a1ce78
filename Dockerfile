# One image, two commands: `fairmind http` (the server) and `fairmind worker`. Both need DATABASE_URL.

FROM node:22-slim AS pages
WORKDIR /srv/fairmind/dashboard
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY dashboard ./
RUN npm run build

FROM python:3.11-slim
WORKDIR /srv/fairmind
COPY requirements-tools.lock requirements.lock ./
RUN python -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-tools.lock \
 && .venv/bin/uv pip install --no-cache --python .venv/bin/python --require-hashes --compile-bytecode -r requirements.lock
COPY pyproject.toml README.md schema.graphql ./
COPY app app
COPY auth auth
COPY db db
COPY engine engine
COPY jobs jobs
COPY resolvers resolvers
COPY schema schema
RUN .venv/bin/uv pip install --no-cache --python .venv/bin/python --no-deps --no-build-isolation --editable .
COPY --from=pages /srv/fairmind/dashboard/dist dashboard/dist

RUN useradd --system --home-dir /var/lib/fairmind --create-home --uid 10001 fairmind
USER fairmind
VOLUME /var/lib/fairmind
ENV PATH=/srv/fairmind/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ENVIRONMENT=production \
    HOST=0.0.0.0 \
    DATA_PATH=/var/lib/fairmind
EXPOSE 8000
CMD ["fairmind", "http"]
