# At run time the service writes to the volume /data/models and to /tmp, nowhere else.

# A stage of its own: buildah hands variables (--env, PIP_FIND_LINKS say) only to stages that stand on a built one.
FROM python:3.11-slim AS environment
RUN python -m venv --without-pip /opt/venv

FROM environment AS build
ENV PIP_PYTHON=/opt/venv/bin/python PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY image.lock ./
# The dependencies before the code: a change of the code leaves this layer. Their tests do not go along.
RUN pip install --no-deps --require-hashes -r image.lock \
 && find /opt/venv -name tests -prune -exec rm -r {} +
COPY LICENSE README.md constraints.txt pyproject.toml ./
COPY service service
RUN PIP_CONSTRAINT=constraints.txt pip install --no-deps .
# From elsewhere, so that it is the installed code that is compiled: the cache knows its files by their paths.
WORKDIR /
RUN /opt/venv/bin/python -m service compile /opt/venv/share/forecast-service/kernels

FROM python:3.11-slim
RUN groupadd --gid 10001 forecast \
 && useradd --uid 10001 --gid forecast --no-create-home --home-dir /tmp --shell /usr/sbin/nologin forecast \
 && install -d -o forecast -g forecast /data/models
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1 \
    FORECAST_HOST=0.0.0.0 FORECAST_PORT=8000 FORECAST_STORE_URL=/data/models \
    FORECAST_KERNEL_CACHE=/tmp/kernels
USER 10001:10001
VOLUME /data/models
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client, os; \
c = http.client.HTTPConnection('127.0.0.1', int(os.environ['FORECAST_PORT']), timeout=4); \
c.request('GET', '/readyz'); exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "service"]
