# At run time the service writes to the volume /data/models and to /tmp, nowhere else.

# A stage of its own: buildah hands variables (--env, PIP_FIND_LINKS say) only to stages that stand on a built one.
FROM python:3.11-slim AS environment
ENV PIP_PYTHON=/opt/venv/bin/python PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv --without-pip /opt/venv

# torch is the largest part and changes least: a stage and a layer of its own.
FROM environment AS torch
# For GPUs: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY torch.lock ./
# Its headers and tests do not go along.
RUN pip install --no-deps --retries 2 --index-url "$TORCH_INDEX" -r torch.lock \
 && torch=/opt/venv/lib/python3.11/site-packages/torch \
 && rm -rf "$torch"/include "$torch"/share "$torch"/test "$torch"/bin/*Test "$torch"/bin/protoc* "$torch"/bin/test_*
# A build with CUDA needs NVIDIA's libraries, at the versions that it names; the rest of what torch needs is in image.lock.
RUN /opt/venv/bin/python -c "from importlib.metadata import requires; \
print(*(one for one in requires('torch') if one.startswith(('cuda', 'nvidia', 'triton'))), sep='\n')" >cuda.txt \
 && pip install -r cuda.txt

FROM environment AS build
COPY image.lock ./
# The dependencies before the code: a change of the code leaves this layer. Their tests do not go along.
RUN pip install --no-deps --require-hashes -r image.lock \
 && find /opt/venv -name tests -prune -exec rm -r {} +
COPY LICENSE README.md constraints.txt pyproject.toml ./
COPY service service
RUN PIP_CONSTRAINT=constraints.txt pip install --no-deps .
# From elsewhere, so that it is the installed code that is compiled: the cache knows its files by their paths.
WORKDIR /
RUN /opt/venv/bin/python -m service compile --levels /opt/venv/share/forecast-service/kernels

FROM python:3.11-slim
# Python's own image has no bytecode of the standard library, and a read-only one would compile it at every start.
RUN python -m compileall -q -x '/(ensurepip|idlelib|lib2to3|site-packages|turtledemo)/' /usr/local/lib/python3.11 \
 && groupadd --gid 10001 forecast \
 && useradd --uid 10001 --gid forecast --no-create-home --home-dir /tmp --shell /usr/sbin/nologin forecast \
 && install -d -o forecast -g forecast /data/models
COPY --from=torch /opt/venv/lib/python3.11/site-packages /opt/venv/lib/python3.11/site-packages
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
