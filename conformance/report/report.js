"use strict";
// Filter and search; without it the page shows everything.
const finder = document.querySelector(".finder");
const rows = [...document.querySelectorAll(".requirement")];
const words = document.querySelector("#words");
const boxes = [...finder.querySelectorAll("[type=checkbox]")];

function show() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  let count = 0;
  for (const row of rows) {
    const fits = verdicts.has(row.dataset.verdict) && wanted.every((one) => row.dataset.words.includes(one));
    row.hidden = !fits;
    count += fits;
  }
  for (const section of document.querySelectorAll("section.group")) {
    section.hidden = !section.querySelector(".requirement:not([hidden])");
  }
  document.querySelector("#found").textContent = `${count} of ${rows.length} requirements`;
}

finder.hidden = false;
finder.addEventListener("input", show);
show();
