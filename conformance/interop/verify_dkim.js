// Verifies the DKIM signatures of the message on standard input with npm's mailauth.
// Argument: the name server to ask, address:port, or "system". Prints one JSON array, an object per
// signature. The verifier's own module is loaded, since the package's index wants a newer Node.

const { Resolver } = require("node:dns").promises;
const { dkimVerify } = require("mailauth/lib/dkim/verify");

async function main() {
    const pieces = [];
    for await (const piece of process.stdin) pieces.push(piece);
    const asked = new Resolver();
    if (process.argv[2] !== "system") asked.setServers([process.argv[2]]);
    const outcome = await dkimVerify(Buffer.concat(pieces), {
        resolver: (name, type) => asked.resolve(name, type),
    });
    const results = outcome.results.map((one) => ({
        domain: one.signingDomain,
        selector: one.selector,
        algorithm: one.algo,
        result: one.status.result,
        comment: one.status.comment || "",
    }));
    process.stdout.write(JSON.stringify(results));
}

main().catch((error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
});
