// The program behind the smtp-server row: STARTTLS, AUTH, every message discarded.
// Run with a JSON file as its argument; one JSON line on stdout tells the port.
"use strict";

const fs = require("node:fs");
const { createRequire } = require("node:module");

const order = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const { SMTPServer } = createRequire(order.packages)("smtp-server");

const server = new SMTPServer({
  name: order.host,
  key: fs.readFileSync(order.key),
  cert: fs.readFileSync(order.certificate),
  authMethods: ["PLAIN", "LOGIN"],
  disableReverseLookup: true,
  logger: false,
  onAuth(auth, session, done) {
    if (auth.username === order.username && auth.password === order.password) {
      return done(null, { user: auth.username });
    }
    return done(new Error("no such user"));
  },
  onData(stream, session, done) {
    stream.on("data", () => {});
    stream.on("end", () => done());
  },
});
// A client that aborts is no reason to end.
server.on("error", () => {});
server.listen(0, order.address, () => {
  process.stdout.write(JSON.stringify({ port: server.server.address().port }) + "\n");
});
process.on("SIGTERM", () => process.exit(0));
