# The service on torch's CPU build. At run time it writes to the volume /data/models and to /tmp, nowhere else.

# A stage of its own: buildah hands variables (--env, PIP_FIND_LINKS say) only to stages that stand on a built one.
FROM python:3.11-slim AS environment
RUN python -m venv --without-pip /opt/venv

FROM environment AS build
# Where torch's CPU build lies; PyPI's draws in gigabytes of CUDA. Not asked where PIP_FIND_LINKS names a folder of wheels.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
ENV PIP_PYTHON=/opt/venv/bin/python PIP_CONSTRAINT=/source/constraints.txt PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY constraints.txt pyproject.toml ./
RUN if [ -z "$PIP_FIND_LINKS" ]; then export PIP_EXTRA_INDEX_URL="$TORCH_INDEX_URL"; fi; \
    pip install "$(grep '^torch==' constraints.txt)"
# The dependencies before the code: a change of the code leaves this layer. Tests and C++ headers do not go along.
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
      > requirements.txt \
 && pip install -r requirements.txt \
 && find /opt/venv \( -name tests -o -path '*/torch/test' -o -path '*/torch/include' -o -path '*/torch/bin/*est*' \) \
      -prune -exec rm -r {} +
COPY LICENSE README.md ./
COPY service service
RUN pip install --no-deps .

FROM python:3.11-slim
RUN groupadd --gid 10001 forecast \
 && useradd --uid 10001 --gid forecast --no-create-home --home-dir /tmp --shell /usr/sbin/nologin forecast \
 && install -d -o forecast -g forecast /data/models
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1 \
    FORECAST_HOST=0.0.0.0 FORECAST_PORT=8000 FORECAST_STORE_URL=/data/models
USER 10001:10001
VOLUME /data/models
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client, os; \
c = http.client.HTTPConnection('127.0.0.1', int(os.environ['FORECAST_PORT']), timeout=4); \
c.request('GET', '/readyz'); exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "service"]
