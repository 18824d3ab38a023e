'use strict';

const $ = (id) => document.getElementById(id);
const viewer = Array.from(crypto.getRandomValues(new Uint8Array(12)),
                          (n) => n.toString(16).padStart(2, '0')).join('');
const view = $('view').getContext('2d');
const latencies = [];
let state = null;          // what the server last said
let socket = null;
let frozen = false;
let pictures = 0;          // shown so far
let openJob = null;

// Talking to the server ---------------------------------------------------------------------

async function call(path, body) {
  const options = body === undefined ? {} : {
    method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)};
  const answer = await fetch(path, options);
  const content = await answer.json().catch(() => ({detail: answer.statusText}));
  if (!answer.ok) {
    const detail = content.detail;
    throw new Error(Array.isArray(detail) ? detail.map((d) => d.msg).join('; ') : detail);
  }
  return content;
}

function attempt(promise) {
  return promise.catch((error) => notice(error.message));
}

const waiting = {};
let busy = false;

// Sliders move faster than answers come: what is set meanwhile goes with the next request.
async function change(changes) {
  Object.assign(waiting, changes);
  if (busy) return;
  busy = true;
  try {
    while (Object.keys(waiting).length) {
      const next = {...waiting};
      for (const key of Object.keys(next)) delete waiting[key];
      await attempt(call('/api/settings', next));
    }
  } finally {
    busy = false;
  }
}

function connect() {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  socket = new WebSocket(`${scheme}://${location.host}/ws?viewer=${viewer}`);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = async (message) => {
    if (typeof message.data === 'string') {
      update(JSON.parse(message.data));
    } else {
      await show(message.data);
      if (socket.readyState === WebSocket.OPEN) socket.send('{"taken": true}');
    }
  };
  socket.onclose = () => {
    notice('The server does not answer. Trying again…');
    setTimeout(connect, 1000);
  };
}

async function show(data) {
  const length = new DataView(data).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const bitmap = await createImageBitmap(
    new Blob([new Uint8Array(data, 4 + length)], {type: 'image/jpeg'}));
  const canvas = $('view');
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  view.drawImage(bitmap, 0, 0);
  bitmap.close();
  pictures += 1;
  document.body.dataset.pictures = pictures;
  document.body.dataset.number = head.number;
  const counts = {};
  for (const label of head.labels) counts[label] = (counts[label] || 0) + 1;
  document.querySelectorAll('#classes .count').forEach((cell) => {
    cell.textContent = counts[cell.dataset.label] || 0;
  });
  document.body.dataset.objects = head.labels.length;
  if (!frozen) {
    latencies.push(head.latency_ms);
    if (latencies.length > 120) latencies.shift();
    chart();
  }
}

// What the server says ----------------------------------------------------------------------

const WORDS = {
  starting: 'starting', live: 'live', frozen: 'no new picture', lost: 'signal lost',
  ended: 'ended', failed: 'failed', stopped: 'stopped'};
const NOTICES = {
  lost: 'The source was lost. Trying to take it up again…',
  frozen: 'The source gives no new picture.', failed: 'The stream has failed; see the events.'};

function notice(text) {
  if ($('notice').textContent !== text) $('notice').textContent = text;
}

function update(news) {
  const before = state;
  state = news;
  frozen = news.frozen;
  const stream = news.stream;
  $('state').textContent = frozen ? 'frozen by you' : WORDS[stream.state];
  $('state').dataset.state = stream.state;
  $('fps').textContent = stream.fps ?? '–';
  for (const key of ['p50', 'p95', 'p99']) $(key).textContent = stream[key] ?? '–';
  $('dropped').textContent = (stream.dropped ?? 0) + (stream.skipped ?? 0);
  const late = stream.budget_ms && !stream.budget_kept;
  const small = stream.scale !== undefined && stream.scale < 1;
  $('scale').hidden = !(small || late);
  $('scale').textContent = (small ? `input ${Math.round(100 * stream.scale)} %` : '') +
    (late ? ' over budget' : '');
  notice(news.source === null ? 'No source. Choose one, or drop a file.' :
    NOTICES[stream.state] || '');
  $('freeze').setAttribute('aria-pressed', frozen);
  $('freeze').textContent = frozen ? 'Go on' : 'Freeze';
  $('record').setAttribute('aria-pressed', Boolean(news.recording));
  $('recording').hidden = !news.recording;
  if (news.recording) {
    $('recording').textContent = `● ${news.recording.seconds} s` +
      (news.recording.late ? `, ${news.recording.late} late` : '');
  }
  fillList('source', ['no source', ...news.sources], news.source === null ? 0 : news.source + 1,
           before && ['no source', ...before.sources]);
  fillList('model', news.models, news.model, before && before.models);
  if (!before || JSON.stringify(before.classes) !== JSON.stringify(news.classes)) {
    fillClasses(news.classes);
  }
  document.querySelectorAll('#classes input').forEach((box) => {
    box.checked = !news.settings.hidden.includes(Number(box.value));
  });
  for (const key of ['threshold', 'opacity', 'contour', 'budget_ms']) {
    if (document.activeElement !== $(key) && !busy) $(key).value = news.settings[key];
  }
  for (const key of ['labels', 'smoothing', 'tidy']) $(key).checked = news.settings[key];
  $('smoothing').disabled = !news.instances;
  values();
  fillJobs(news.jobs);
  fillRecordings(news.recordings);
  $('events').replaceChildren(...news.events.slice().reverse().map((event) => {
    const item = document.createElement('li');
    item.textContent = `${new Date(1000 * event.time).toLocaleTimeString()} ${event.text}`;
    item.className = event.level;
    return item;
  }));
}

function values() {
  $('threshold-value').textContent = `${Math.round(100 * $('threshold').value)} %`;
  $('opacity-value').textContent = `${Math.round(100 * $('opacity').value)} %`;
  $('contour-value').textContent = Number($('contour').value) ? `${$('contour').value} px` : 'off';
}

function fillList(id, names, chosen, before) {
  if (!before || JSON.stringify(before) !== JSON.stringify(names)) {
    $(id).replaceChildren(...names.map((name, index) => new Option(name, index)));
  }
  if (document.activeElement !== $(id)) $(id).value = chosen;
}

function fillClasses(classes) {
  const legend = $('classes').firstElementChild;
  $('classes').replaceChildren(legend, ...classes.map((item, index) => {
    const label = document.createElement('label');
    const box = Object.assign(document.createElement('input'),
                              {type: 'checkbox', value: index, id: `class-${index}`});
    box.onchange = hideClasses;
    const swatch = document.createElement('span');
    swatch.className = 'swatch';
    swatch.style.background = `rgb(${item.color.join(',')})`;
    const count = document.createElement('span');
    count.className = 'count';
    count.dataset.label = index;
    count.textContent = 0;
    label.append(box, swatch, item.name, count);
    return label;
  }));
}

function hideClasses() {
  change({hidden: [...document.querySelectorAll('#classes input')]
    .filter((box) => !box.checked).map((box) => Number(box.value))});
}

function fillJobs(jobs) {
  const shown = JSON.stringify(jobs);
  if ($('jobs').dataset.shown === shown) return;
  $('jobs').dataset.shown = shown;
  $('jobs').replaceChildren(...jobs.map((job) => {
    const row = document.createElement('div');
    row.className = 'job';
    const name = document.createElement('span');
    name.className = 'name';
    name.textContent = `${job.name}: ${job.state}, ${job.frames} of ${job.total || '?'} frames`;
    row.append(name);
    if (job.message) {
      const message = document.createElement('span');
      message.className = 'bad';
      message.textContent = job.message;
      row.append(message);
    }
    if (job.frames && job.state !== 'running') {
      const button = document.createElement('button');
      button.textContent = 'Look at it';
      button.onclick = () => play(job);
      row.append(button);
    }
    return row;
  }));
}

function fillRecordings(names) {
  if ($('recordings').childElementCount === names.length) return;
  $('recordings').replaceChildren(...names.map((name, index) => {
    const link = document.createElement('a');
    link.href = `/api/recordings/${index}`;
    link.textContent = name;
    link.download = name;
    return link;
  }));
}

function chart() {
  const canvas = $('chart');
  const pen = canvas.getContext('2d');
  const most = Math.max(50, ...latencies);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = '#4db8ff';
  latencies.forEach((value, index) => {
    const height = canvas.height * value / most;
    pen.fillRect(2 * index, canvas.height - height, 1.5, height);
  });
}

// What the user does ------------------------------------------------------------------------

function download(path) {
  const link = document.createElement('a');
  link.href = path;
  link.download = '';
  link.click();
}

const actions = {
  freeze: () => socket.send(JSON.stringify({freeze: !frozen})),
  snapshot: () => download(`/api/snapshot.png?viewer=${viewer}`),
  correct: () => download(`/api/correct.zip?viewer=${viewer}`),
  record: () => attempt(call('/api/record', {on: !state.recording})),
};
for (const [id, action] of Object.entries(actions)) $(id).onclick = action;
for (const id of ['threshold', 'opacity', 'contour']) {
  $(id).oninput = () => { values(); change({[id]: Number($(id).value)}); };
}
$('budget_ms').onchange = () => change({budget_ms: Number($('budget_ms').value)});
for (const id of ['labels', 'smoothing', 'tidy']) {
  $(id).onchange = () => change({[id]: $(id).checked});
}
$('source').onchange = () => attempt(call('/api/source', {
  index: Number($('source').value) ? Number($('source').value) - 1 : null}));
$('model').onchange = () => attempt(call('/api/model', {index: Number($('model').value)}));

async function upload(file) {
  notice(`Sending ${file.name}…`);
  const answer = await fetch(`/api/uploads?name=${encodeURIComponent(file.name)}`,
                             {method: 'POST', body: file});
  const content = await answer.json();
  $('file').value = '';
  if (!answer.ok) {
    const row = document.createElement('p');
    row.className = 'bad';
    row.textContent = `${file.name}: ${content.detail}`;
    $('drop').append(row);
    setTimeout(() => row.remove(), 10000);
  }
}

$('file').onchange = () => { if ($('file').files[0]) attempt(upload($('file').files[0])); };
for (const name of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $('drop').classList.toggle('over', name === 'dragover');
    if (name === 'drop' && event.dataTransfer.files[0]) {
      attempt(upload(event.dataTransfer.files[0]));
    }
  });
}

document.addEventListener('keydown', (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA|BUTTON|A|SUMMARY)$/.test(event.target.tagName);
  if (typing || event.ctrlKey || event.metaKey || event.altKey || $('player').open) return;
  const keys = {' ': 'freeze', s: 'snapshot', r: 'record', c: 'correct'};
  const digit = Number(event.key);
  if (keys[event.key.toLowerCase()]) {
    event.preventDefault();
    actions[keys[event.key.toLowerCase()]]();
  } else if (digit && $(`class-${digit - 1}`)) {
    $(`class-${digit - 1}`).click();
  }
});

// Results of a file, frame by frame ---------------------------------------------------------

function play(job) {
  openJob = job;
  $('player-frame').max = Math.max(job.frames - 1, 0);
  $('player-video').href = `/api/uploads/${job.id}/overlay`;
  $('player-json').href = `/api/uploads/${job.id}/predictions.json`;
  $('player').showModal();
  turn(0);
}

function turn(number) {
  const frame = Math.min(Math.max(number, 0), openJob.frames - 1);
  $('player-frame').value = frame;
  $('player-value').textContent = `${frame + 1} of ${openJob.frames}`;
  $('player-image').src = `/api/uploads/${openJob.id}/frames/${frame}.jpg`;
}

$('player-frame').oninput = () => turn(Number($('player-frame').value));
$('player-before').onclick = () => turn(Number($('player-frame').value) - 1);
$('player-after').onclick = () => turn(Number($('player-frame').value) + 1);
$('player-close').onclick = () => $('player').close();

connect();
