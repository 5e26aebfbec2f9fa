# One image for every role: the command says which.
FROM node:24-bookworm-slim
ENV NODE_ENV=production
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates tini \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --loglevel=error && npm cache clean --force
COPY . .
# The workflow bundle is part of the image, so that every worker runs the same.
RUN npm run --silent bundle \
  && mkdir /state \
  && chown node:node /state
USER node
ENV POSTROOM_HOME=/state POSTROOM_HOST=0.0.0.0
ENTRYPOINT ["tini", "--", "node", "embedded/bootstrap.mjs"]
CMD ["workers/main.ts", "--help"]
