// Verifies the DKIM signatures of messages with npm's mailauth.
// Arguments: the name server to ask, address:port, or "system"; then files, or none for the message
// on standard input. Prints one JSON array for each message, of an object per signature. The
// verifier's own module is loaded, since the package's index wants a newer Node.

const { readFile } = require("node:fs").promises;
const { Resolver } = require("node:dns").promises;
const { dkimVerify } = require("mailauth/lib/dkim/verify");

async function standardInput() {
    const pieces = [];
    for await (const piece of process.stdin) pieces.push(piece);
    return Buffer.concat(pieces);
}

async function main() {
    const [server, ...files] = process.argv.slice(2);
    const asked = new Resolver();
    if (server !== "system") asked.setServers([server]);
    for (const file of files.length ? files : [null]) {
        const outcome = await dkimVerify(file ? await readFile(file) : await standardInput(), {
            resolver: (name, type) => asked.resolve(name, type),
        });
        const results = outcome.results.map((one) => ({
            domain: one.signingDomain,
            selector: one.selector,
            algorithm: one.algo,
            result: one.status.result,
            comment: one.status.comment || "",
        }));
        process.stdout.write(`${JSON.stringify(results)}\n`);
    }
}

main().catch((error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
});
