// Two clients through the proxy at the same time, told as a timeline: one is slow to send
// its upload, the other slow to receive its download. One thread serves both, and a third,
// quick one in between; neither waits for another, and the proxy holds little of either.
//
//   node examples/interleaving.mjs          steps of 200 ms
//   node examples/interleaving.mjs 20       steps of 20 ms
import { createServer, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createProxy } from 'millrace';

const stepMs = Number(process.argv[2] ?? 200);
const STEPS = 5;
const MB = 1024 * 1024;
// More than the sockets on the way hold, so that a slow reader is felt at the other end.
const DOWNLOAD = 25 * MB;

const start = performance.now();
function tell(who, what) {
  const time = `${Math.round(performance.now() - start)} ms`;
  console.log(`${time.padStart(8)}  ${who.padEnd(8)}  ${what}`);
}
const megabytes = (bytes) => `${(bytes / MB).toFixed(1)} MB`;

// The backend: takes uploads piece by piece, hands out downloads as fast as they are taken.
const handedOut = { bytes: 0 };
const backend = createServer((incoming, answer) => {
  if (incoming.url === '/upload') {
    let pieces = 0;
    incoming.on('data', () => tell('backend', `got piece ${++pieces} of the upload`));
    incoming.on('end', () => answer.end(`${pieces} pieces`));
  } else if (incoming.url === '/download') {
    answer.setHeader('Content-Length', DOWNLOAD);
    const piece = Buffer.alloc(MB / 4);
    const more = () => {
      while (handedOut.bytes < DOWNLOAD) {
        handedOut.bytes += piece.length;
        if (!answer.write(piece)) return answer.once('drain', more);
      }
      tell('backend', 'got rid of the whole download');
      return answer.end();
    };
    more();
  } else {
    answer.end('quick');
  }
});
await new Promise((resolve) => backend.listen(0, '127.0.0.1', resolve));

const proxy = createProxy({
  http: {
    access_log: 'off',
    server: {
      listen: '127.0.0.1:0',
      location: {
        '/': {
          proxy_pass: `http://127.0.0.1:${backend.address().port}`,
          // A body as small as this one would be read to its end first.
          proxy_request_buffering: 'off',
        },
      },
    },
  },
});
const [{ port }] = await proxy.listen();

function ask(path, method = 'GET') {
  return request({ host: '127.0.0.1', port, path, method, agent: false });
}
const responseTo = (sent) =>
  new Promise((resolve, reject) => sent.on('response', resolve).on('error', reject));

// Sends a piece at each step.
async function slowSender() {
  const upload = ask('/upload', 'POST');
  const answered = responseTo(upload);
  for (let i = 1; i <= STEPS; i++) {
    await sleep(stepMs);
    tell('sender', `sends piece ${i} of ${STEPS}`);
    upload.write(`piece ${i}`);
  }
  upload.end();
  const answer = await answered;
  tell('sender', `is answered: ${String((await answer.toArray())[0])}`);
}

// Takes a fifth of its download at each step, a little behind the sender.
async function slowReceiver() {
  const download = ask('/download');
  download.end();
  const answer = await responseTo(download);
  await sleep(stepMs / 2);
  let taken = 0;
  for (let i = 1; i <= STEPS; i++) {
    await sleep(stepMs);
    while (taken < (DOWNLOAD * i) / STEPS) {
      const chunk = answer.read();
      if (chunk === null) await new Promise((resolve) => answer.once('readable', resolve));
      else taken += chunk.length;
    }
    tell('receiver', `has ${megabytes(taken)}; the backend has handed out ${megabytes(handedOut.bytes)}`);
  }
}

// Comes when both are half done.
async function quickOne() {
  await sleep(stepMs * 2.75);
  const sent = performance.now();
  const question = ask('/');
  question.end();
  const answer = await responseTo(question);
  await answer.toArray();
  const tookMs = performance.now() - sent;
  tell('quick', `asks and is answered within ${tookMs < stepMs ? 'a step' : 'SEVERAL STEPS'}`);
}

await Promise.all([slowSender(), slowReceiver(), quickOne()]);
tell('proxy', 'served three clients in one thread');
await proxy.drain();
backend.close();
