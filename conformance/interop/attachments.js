// Reads base64 messages, one a line, and answers each with what mailparser shows as attachments.
const readline = require("node:readline");
const { simpleParser } = require("mailparser");

(async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        let found;
        try {
            const mail = await simpleParser(Buffer.from(line, "base64"), { skipTextToHtml: true });
            found = mail.attachments.map((one) => `${one.contentType}\t${one.filename || ""}`);
        } catch (error) {
            found = [];
        }
        process.stdout.write(JSON.stringify(found) + "\n");
    }
})();
