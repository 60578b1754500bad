# Two images: `emulator` is the AWS emulator behind the project's launcher, `app` is every process of the project.

FROM python:3.12.11-slim-bookworm AS emulator
RUN useradd --uid 1000 --create-home emulator && install --directory --owner=emulator /emulator
WORKDIR /opt/emulator
COPY local/emulator/requirements.txt ./
RUN pip install --no-cache-dir --requirement requirements.txt
COPY local/emulator ./
USER emulator
ENV PYTHONDONTWRITEBYTECODE=1
CMD ["python", "launch.py"]

FROM node:22.20.0-bookworm-slim AS app
# `node` is user 1000. The workflow bundle and the demo fleet's keys and certificates are written here.
WORKDIR /app
RUN install --directory --owner=node /app/.local /fleet
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund
COPY tsconfig.json ./
COPY domain ./domain
COPY runbooks ./runbooks
COPY workflows ./workflows
COPY activities ./activities
COPY triggers ./triggers
COPY workers ./workers
COPY device-agent ./device-agent
COPY local ./local
USER node
ENV NODE_ENV=production AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED=true
ENTRYPOINT ["node", "--import", "tsx"]
CMD ["workers/main.ts"]
