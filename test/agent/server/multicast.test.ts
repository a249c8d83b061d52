import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Multicast, openMulticast } from '../../../agent/server/multicast.ts';
import { multicastPort } from '../../../agent/server/multicast-group.ts';
import { multicastGroup } from '../../../agent/server/multicast-ipv4.ts';

describe('multicast on lo', () => {
  const open: Multicast[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((multicast) => multicast.close()));
  });

  async function listen(interfaces: readonly string[] = ['lo']) {
    const heard: { text: string; from: string; interfaceName: string }[] = [];
    const problems: string[] = [];
    const multicast = await openMulticast({
      interfaces,
      excludeInterfaces: [],
      onDatagram: (bytes, from, interfaceName) =>
        heard.push({ text: Buffer.from(bytes).toString(), from, interfaceName }),
      onProblem: (message) => problems.push(message),
    });
    open.push(multicast);
    return { multicast, heard, problems, texts: () => heard.map(({ text }) => text) };
  }

  it('is heard by every socket of the machine, once each, the sender included', async () => {
    const [a, b, c] = [await listen(), await listen(), await listen()];
    const text = `hello of ${process.pid}`;
    a.multicast.send(() => Buffer.from(text));
    await vi.waitFor(() => {
      for (const { texts } of [a, b, c]) expect(texts().filter((heard) => heard === text)).toHaveLength(1);
    }, 5000);
    expect(b.heard.find((heard) => heard.text === text)).toMatchObject({
      from: '127.0.0.1',
      interfaceName: 'lo',
    });
    expect([...a.problems, ...b.problems, ...c.problems]).toEqual([]);
  });

  it('makes each interface its own message, and sends none where none is made', async () => {
    const { multicast, texts } = await listen();
    const asked: string[] = [];
    multicast.send(({ name, address }) => {
      asked.push(`${name} ${address}`);
      return undefined;
    });
    const text = `after nothing ${process.pid}`;
    multicast.send(() => Buffer.from(text));
    await vi.waitFor(() => expect(texts()).toContain(text), 5000);
    expect(asked).toEqual(['lo 127.0.0.1']);
  });

  it('hears nothing that is sent to the machine alone, and nothing longer than a datagram of an announcement', async () => {
    const { multicast, texts } = await listen();
    const sender = createSocket('udp4');
    sender.bind(0, '127.0.0.1');
    await once(sender, 'listening');
    sender.setMulticastInterface('127.0.0.1');
    sender.send(`unicast ${process.pid}`, multicastPort, '127.0.0.1');
    sender.send(Buffer.alloc(1473, `long ${process.pid}`), multicastPort, multicastGroup);
    const text = `last ${process.pid}`;
    multicast.send(() => Buffer.from(text));
    await vi.waitFor(() => expect(texts()).toContain(text), 5000);
    sender.close();
    expect(texts().filter((heard) => heard.startsWith('unicast') || heard.startsWith('long'))).toEqual([]);
  });

  it('leaves an interface that is no longer chosen, and takes it again', async () => {
    const [a, b] = [await listen(), await listen()];
    a.multicast.select({ interfaces: ['none-such'], excludeInterfaces: [] });
    expect(a.multicast.interfaces()).toEqual([]);
    const [lost, found] = [`lost ${process.pid}`, `found ${process.pid}`];
    b.multicast.send(() => Buffer.from(lost));
    await vi.waitFor(() => expect(b.texts()).toContain(lost), 5000);
    a.multicast.select({ interfaces: ['lo'], excludeInterfaces: [] });
    b.multicast.send(() => Buffer.from(found));
    await vi.waitFor(() => expect(a.texts()).toContain(found), 5000);
    expect(a.texts()).not.toContain(lost);
  });
});
