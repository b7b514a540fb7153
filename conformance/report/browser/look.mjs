// Opens a report in headless Chromium and says, as JSON, what a browser has against it:
//   node look.mjs REPORT CHROMIUM FOLDER
// Screenshots of every appearance go to FOLDER. Nothing may leave the file; nothing may be said on the
// console; axe-core may find nothing serious.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [report, executablePath, folder] = process.argv.slice(2);
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const url = pathToFileURL(path.resolve(report)).href;

const APPEARANCES = [
  { name: 'light', colorScheme: 'light', width: 1100, height: 1000 },
  { name: 'dark', colorScheme: 'dark', width: 1100, height: 1000 },
  { name: 'phone', colorScheme: 'light', width: 360, height: 740 },
  { name: 'print', colorScheme: 'light', width: 800, height: 1100, media: 'print' },
];

const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
});
const found = { console: [], requests: [], wide: [], violations: [], filter: [] };

for (const { name, colorScheme, width, height, media } of APPEARANCES) {
  const context = await browser.newContext({ colorScheme, viewport: { width, height } });
  const page = await context.newPage();
  page.on('console', (message) => found.console.push(`${name}: ${message.text()}`));
  page.on('pageerror', (error) => found.console.push(`${name}: ${error}`));
  page.on('request', (request) => {
    if (request.url() !== url) found.requests.push(`${name}: ${request.url().slice(0, 200)}`);
  });
  await page.goto(url);
  if (media) await page.emulateMedia({ media, colorScheme });
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
  const surplus = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  if (surplus > 0) found.wide.push(`${name}: ${surplus} pixels wider than the screen`);
  if (!media) {
    if (name === 'light') await tryFilter(page);
    // Into the page as the browser's own console would: the report's policy admits no other script.
    await page.evaluate(axe);
    await openEvidence(page);
    await page.screenshot({ path: path.join(folder, `${name}-open.png`) });
    await dropFolded(page);
    await look(page, name);
  }
  await context.close();
}
await browser.close();
process.stdout.write(`${JSON.stringify(found, null, 1)}\n`);

// The evidence of the first requirement that is not met, or of the first that has any.
async function openEvidence(page) {
  await page.evaluate(() => {
    const rows = [...document.querySelectorAll('.requirement')].filter((row) => row.querySelector('.check'));
    const row = rows.find((one) => one.dataset.verdict === 'not-met') ?? rows[0];
    if (!row) return;
    row.open = true;
    for (const wire of [...row.querySelectorAll('details')].slice(-2)) wire.open = true;
    row.scrollIntoView();
  });
}

// What is folded away is nothing that axe-core can judge, and of a whole catalogue it is megabytes.
async function dropFolded(page) {
  await page.evaluate(() => {
    for (const one of document.querySelectorAll('details:not([open]) > :not(summary)')) one.remove();
  });
}

async function look(page, where) {
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  for (const { id, impact, help, nodes } of violations) {
    found.violations.push({ where, id, impact, help, nodes: nodes.length, first: nodes[0].html.slice(0, 200) });
  }
}

async function tryFilter(page) {
  const shown = () => page.evaluate(
    () => [...document.querySelectorAll('.requirement')].filter((row) => row.getClientRects().length).length,
  );
  const all = await shown();
  const search = page.locator('input[type=search]');
  if (!(await search.count())) return found.filter.push('no search');
  await search.fill('STARTTLS');
  const some = await shown();
  if (!(some > 0 && some < all)) found.filter.push(`search leaves ${some} of ${all} rows`);
  await search.fill('');
  if ((await shown()) !== all) found.filter.push('an emptied search does not bring the rows back');
}
