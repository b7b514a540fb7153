// Reads an order as JSON and lets Nodemailer submit; says how each message ended, as JSON.
"use strict";
const nodemailer = require("../node_modules/nodemailer");
const order = JSON.parse(require("fs").readFileSync(0, "utf8"));

const transport = nodemailer.createTransport({
  host: order.address,
  port: order.port,
  name: order.client,
  requireTLS: true,
  pool: order.keeps,
  maxConnections: 1,
  authMethod: order.mechanism,
  auth: { user: order.username, pass: order.password },
  // Whose certificate it is has checks of its own.
  tls: { servername: order.host, rejectUnauthorized: false },
});

(async () => {
  const ends = [];
  for (const one of order.messages) {
    const envelope = { from: one.sender, to: one.recipients, use8BitMime: true };
    const attachments = one.attachment ? [{ filename: "a.txt", content: one.attachment }] : [];
    const headers = order.headers;
    const mail = { envelope, headers, from: one.from, to: one.recipients, subject: one.subject, text: one.text };
    try {
      const told = await transport.sendMail({ ...mail, attachments, textEncoding: "quoted-printable" });
      ends.push({ ok: true, said: told.response });
    } catch (error) {
      ends.push({ ok: false, code: error.responseCode || 0, kind: error.code, said: error.response || error.message });
    }
  }
  transport.close();
  process.stdout.write(JSON.stringify(ends));
})();
