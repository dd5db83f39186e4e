// Temperatures of patients: kept in memory, summed up by a worker thread, signed with a key that lives as long as this.
const http = require('node:http');
const crypto = require('node:crypto');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');

if (!isMainThread) {
  parentPort.on('message', ({ id, values }) => {
    const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
    parentPort.postMessage({ id, count: values.length, mean: Number(mean.toFixed(3)) });
  });
  return;
}

const { privateKey, publicKey } = crypto.generateKeyPairSync('ed25519');
const worker = new Worker(__filename);
const asked = new Map();
const temperatures = new Map();
worker.on('message', ({ id, ...summary }) => {
  const text = JSON.stringify(summary);
  asked.get(id).setHeader('signature', crypto.sign(null, Buffer.from(text), privateKey).toString('base64'));
  asked.get(id).end(text);
  asked.delete(id);
});

const routes = {
  'POST /temperatures': async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const { patient, value } = JSON.parse(Buffer.concat(parts));
    temperatures.set(patient, [...(temperatures.get(patient) ?? []), value]);
    response.writeHead(204).end();
  },
  'GET /summary': async (request, response, patient) => {
    const id = crypto.randomUUID();
    asked.set(id, response);
    worker.postMessage({ id, values: temperatures.get(patient) ?? [] });
  },
  'GET /key': async (request, response) => response.end(publicKey.export({ type: 'spki', format: 'pem' })),
};

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://ward');
  const route = routes[`${request.method} ${url.pathname}`];
  if (!route) return response.writeHead(404).end();
  route(request, response, url.searchParams.get('patient')).catch((error) => response.writeHead(400).end(`${error}`));
});
process.on('SIGTERM', () => server.close(() => process.exit(0)) && server.closeAllConnections());
server.listen(Number(process.env.PORT), '127.0.0.1');
