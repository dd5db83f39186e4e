// Measures one patient many times, and verifies the summary's signature: `node client.js PORT PATIENT`.
const crypto = require('node:crypto');

async function main([port, patient]) {
  const at = `http://127.0.0.1:${port}`;
  const values = Array.from({ length: 100 }, (_, index) => 36 + (index % 20) / 10);
  await Promise.all(
    values.map((value) =>
      fetch(`${at}/temperatures`, { method: 'POST', body: JSON.stringify({ patient, value }) }).then((answer) => {
        if (answer.status !== 204) throw new Error(`status ${answer.status}`);
      }),
    ),
  );
  const key = crypto.createPublicKey(await (await fetch(`${at}/key`)).text());
  const answer = await fetch(`${at}/summary?patient=${encodeURIComponent(patient)}`);
  const text = await answer.text();
  const signature = Buffer.from(answer.headers.get('signature'), 'base64');
  if (!crypto.verify(null, Buffer.from(text), key, signature)) throw new Error('the signature is wrong');
  const { count, mean } = JSON.parse(text);
  console.log(`${count >= values.length && count % values.length === 0} ${mean}`);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
