// c15t's backend on node:http: PROCESSES processes, the tables of PostgreSQL made by its own migrator.
//   DATABASE_URL=postgresql://... PORT=3000 node server.mjs
import cluster from "node:cluster";
import { createServer } from "node:http";

import { c15tInstance } from "@c15t/backend";
import { kyselyAdapter } from "@c15t/backend/db/adapters/kysely";
import { migrator } from "@c15t/backend/db/migrator";
import { DB } from "@c15t/backend/db/schema";
import { getRequestListener } from "@hono/node-server";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";

const PROCESSES = Number(process.env.PROCESSES || 2);

function database() {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
  return new Kysely({ dialect: new PostgresDialect({ pool }) });
}

async function migrate() {
  const db = database();
  const client = DB.client(kyselyAdapter({ db, provider: "postgresql" }));
  const migration = await migrator({ db: client, schema: "latest" });
  await migration.execute();
  await db.destroy();
}

function serve() {
  // As its quickstart has it: no policy packs, which would cost a record one more look-up.
  const c15t = c15tInstance({
    appName: "shop",
    adapter: kyselyAdapter({ db: database(), provider: "postgresql" }),
    trustedOrigins: ["https://www.shop.example"],
  });
  // Hono's own listener, as c15t is a Hono application; copying into a Request by hand measured the same.
  createServer(getRequestListener(c15t.handler)).listen(Number(process.env.PORT), "127.0.0.1");
}

if (cluster.isPrimary) {
  await migrate();
  for (let i = 0; i < PROCESSES; i++) cluster.fork();
  // A worker that ends, ends all: a run on fewer processes would measure something else.
  cluster.on("exit", () => process.exit(1));
  process.on("SIGTERM", () => process.exit(0));
} else {
  serve();
}
