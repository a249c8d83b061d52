/**
 * A program that records until it is killed: `record-writer.ts DIRECTORY DURABILITY SEED`. Prints each durable offset. The
 * bytes are `recordedByte(offset)`, so that whoever reads the recordings knows what they must be.
 */
import { openRecordSink } from '../../agent/sinks/record.ts';
import { recordedBytes } from './recorded-bytes.ts';

const [directory = '', durability = 'Synced', seed = '1'] = process.argv.slice(2);
const sink = await openRecordSink(
  {
    directory,
    durability: durability === 'Written' ? 'Written' : 'Synced',
    segment: { segmentBytes: 200_000 },
    keepFreeBytes: 0,
    emit: () => undefined,
  },
  {
    onDurable: (stream) => process.stdout.write(`${stream.durable}\n`),
    onHealth: (isHealthy, message) => process.stderr.write(`${isHealthy} ${message}\n`),
  },
);
const stream = sink.open({ name: 'default/door', stream: 'main', term: Number(seed), media: 'text/plain' });
stream.begin({ offset: 0, timeMs: 1000, why: 'start' });
let offset = 0;
setInterval(() => {
  if (stream.backlogBytes > 1_000_000) return;
  if (offset % 7 === 0) stream.write(Buffer.from('injected\n'), false);
  const bytes = recordedBytes(offset, 2000 + (offset % 4001));
  stream.write(bytes, true);
  offset += bytes.length;
}, 2);
