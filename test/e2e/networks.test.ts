/**
 * Networks that are not one flat IPv4 network: whole processes on hosts in namespaces, a camera that must not lose a frame on
 * any of its moves. All of them wait most of the time (interfaces are looked at every 10 s), so they run side by side.
 */
import { afterAll, expect, it } from 'vitest';
import type { HomingProcess } from '../support/agent-process.ts';
import { describeWith } from '../support/needs.ts';
import { NetworkedHome } from '../support/networked-home.ts';

const good = { features: ['record'] };
const better = { features: ['record', 'gpu'] };
const report: Record<string, unknown>[] = [];

/** Ends the camera and expects every frame of it in the recordings. */
async function expectNothingLost(what: string, home: NetworkedHome, camera: HomingProcess): Promise<void> {
  const { totals, problems, isWhole } = await home.finish(camera);
  const moves = camera.of('handedOver');
  const described = moves.map(
    ({ from, to, reason, milliseconds }) => `${from}>${to} ${reason} ${milliseconds} ms`,
  );
  report.push({ what, ...totals, moves: described.join(', ') });
  expect(problems).toEqual([]);
  expect(totals).toMatchObject({ lost: 0, damaged: 0 });
  expect(isWhole).toBe(true);
  expect(moves.map(({ framesLost }) => framesLost)).toEqual(moves.map(() => 0));
}

afterAll(() => console.table(report));

describeWith(['root', 'ip'], 'a home', () => {
  it.concurrent('has IPv6 only: servers are heard on the IPv6 group, linked and moved to', async () => {
    await using home = await NetworkedHome.open(['lan']);
    const addHost = (name: string, last: number) =>
      home.addHost(name, { eth0: { segment: 'lan', addresses: [`fd00:1::${last}/64`] } });
    const [pi, nuc] = [addHost('pi', 11), addHost('nuc', 12)];
    const first = await home.startServer('pi', pi, good);
    const camera = await home.startCamera(addHost('cam', 13), ['--discover']);
    await camera.until('connected', ({ to }) => to === 'pi');
    expect(camera.of('heard')[0]).toMatchObject({
      server: 'pi',
      address: '[fd00:1::11]:17320',
      via: 'multicast',
    });
    await home.startServer('nuc', nuc, better);
    await camera.until('handedOver', ({ to }) => to === 'nuc');
    expect(first.of('linked')[0]).toMatchObject({ server: 'nuc', address: '[fd00:1::12]:17320' });
    const heard = [...first.of('heard'), ...camera.of('heard')];
    expect(heard.filter(({ address, also = [] }) => /fe80|127/.test([address, ...also].join()))).toEqual([]);
    await expectNothingLost('IPv6 only', home, camera);
  });

  it.concurrent('has both families: IPv4 stands first, IPv6 in also, and the second copy of a message is no news', async () => {
    await using home = await NetworkedHome.open(['lan']);
    const addHost = (name: string, last: number) =>
      home.addHost(name, {
        eth0: { segment: 'lan', addresses: [`10.1.0.${last}/24`, `fd00:1::${last}/64`] },
      });
    const camera = await home.startCamera(addHost('cam', 13), ['--discover']);
    await camera.until('started');
    await home.startServer('pi', addHost('pi', 11), good);
    await camera.until('connected');
    expect(camera.of('heard')[0]).toMatchObject({ address: '10.1.0.11:17320', also: ['[fd00:1::11]:17320'] });
    expect(camera.of('dropped')).toEqual([]);
    await expectNothingLost('both families', home, camera);
  });

  it.concurrent('has a server on two networks: a camera that is only on the other one reaches it there', async () => {
    await using home = await NetworkedHome.open(['lan', 'yard']);
    const addHost = (name: string, last: number) =>
      home.addHost(name, {
        eth0: { segment: 'lan', addresses: [`10.1.0.${last}/24`] },
        eth1: { segment: 'yard', addresses: [`10.2.0.${last}/24`] },
      });
    const [pi, nuc] = [addHost('pi', 11), addHost('nuc', 12)];
    const cam = home.addHost('cam', { eth0: { segment: 'yard', addresses: ['10.2.0.13/24'] } });
    // It announces itself to the LAN only, so that is where it meets the other.
    const first = await home.startServer('pi', pi, { ...good, spec: { announce: { interfaces: ['eth0'] } } });
    const camera = await home.startCamera(cam, ['--server', '10.2.0.11:17320']);
    await camera.until('connected', ({ to }) => to === 'pi');
    const second = await home.startServer('nuc', nuc, { ...better, spec: { max: 1 } });
    await camera.until('handedOver', ({ to }) => to === 'nuc');
    expect(first.of('heard')[0]).toMatchObject({ address: '10.1.0.12:17320', also: ['10.2.0.12:17320'] });
    expect(first.of('linked')[0]).toMatchObject({ address: '10.1.0.12:17320' });
    // Back to the one that it knows by its address here.
    await second.end('SIGKILL');
    await camera.until('handedOver', ({ to }) => to === 'pi');
    await expectNothingLost('reached by also', home, camera);
  });

  it.concurrent('has two networks with a router between them: servers that name each other are one home', async () => {
    await using home = await NetworkedHome.open(['lan', 'yard']);
    const router = home.addHost('router', {
      eth0: { segment: 'lan', addresses: ['10.1.0.1/24'] },
      eth1: { segment: 'yard', addresses: ['10.2.0.1/24'] },
    });
    router.forward();
    const pi = home.addHost('pi', { eth0: { segment: 'lan', addresses: ['10.1.0.11/24'] } });
    const cam = home.addHost('cam', { eth0: { segment: 'lan', addresses: ['10.1.0.13/24'] } });
    const nuc = home.addHost('nuc', { eth0: { segment: 'yard', addresses: ['10.2.0.12/24'] } });
    for (const host of [pi, cam]) host.setRoute('10.1.0.1');
    nuc.setRoute('10.2.0.1');
    const first = await home.startServer('pi', pi, { ...good, spec: { peers: ['10.2.0.12:17320'] } });
    const camera = await home.startCamera(cam, ['--discover']);
    await camera.until('connected', ({ to }) => to === 'pi');
    const second = await home.startServer('nuc', nuc, { ...better, spec: { peers: ['10.1.0.11:17320'] } });
    await camera.until('handedOver', ({ to }) => to === 'nuc');
    await second.end('SIGTERM');
    await camera.until('handedOver', ({ to }) => to === 'pi');
    const heard = [...first.of('heard'), ...second.of('heard')];
    expect(new Set(heard.map(({ via }) => via))).toEqual(new Set(['link']));
    await expectNothingLost('two networks and peers', home, camera);
  });

  it.concurrent('has servers and cameras whose addresses change: links and streams come back', async () => {
    await using home = await NetworkedHome.open(['lan']);
    const addHost = (name: string, last: number) =>
      home.addHost(name, { eth0: { segment: 'lan', addresses: [`10.1.0.${last}/24`] } });
    const [nuc, cam] = [addHost('nuc', 12), addHost('cam', 13)];
    const first = await home.startServer('pi', addHost('pi', 11), good);
    await home.startServer('nuc', nuc, better);
    await first.until('linked');
    const camera = await home.startCamera(cam, ['--discover']);
    await camera.until('connected', ({ to }) => to === 'nuc');
    nuc.removeAddress('eth0', '10.1.0.12/24');
    nuc.addAddress('eth0', '10.1.0.52/24');
    // Lost, it gets its camera again at its new address: at once where that was heard in time, else by way of the other server,
    // when it is no longer held down.
    await camera.until('handedOver', ({ from }) => from === 'nuc');
    await first.until('linked', ({ address }) => address === '10.1.0.52:17320');
    await camera.until('connected', ({ to }) => to === 'nuc', 2);
    expect(first.of('heard').at(-1)).toMatchObject({ server: 'nuc', address: '10.1.0.52:17320' });

    cam.removeAddress('eth0', '10.1.0.13/24');
    cam.addAddress('eth0', '10.1.0.53/24');
    const moves = camera.of('handedOver').length;
    await camera.until('handedOver', () => true, moves + 1);
    await expectNothingLost('addresses that change', home, camera);
  });

  it.concurrent('has a network card that is put in, taken out and put in again', async () => {
    await using home = await NetworkedHome.open(['lan', 'yard']);
    const yard = { segment: 'yard', addresses: ['fd00:2::12/64'] };
    const nuc = home.addHost('nuc', { eth0: { segment: 'lan', addresses: ['10.1.0.12/24'] } });
    const oak = home.addHost('oak', { eth0: { ...yard, addresses: ['fd00:2::14/64'] } });
    const [first, second] = await Promise.all([
      home.startServer('nuc', nuc, good),
      home.startServer('oak', oak, good),
    ]);
    expect(second.of('heard')).toEqual([]);
    nuc.attach('eth1', yard);
    await Promise.all([first.until('linked'), second.until('linked')]);
    expect(second.of('heard')[0]).toMatchObject({
      server: 'nuc',
      address: '[fd00:2::12]:17320',
      also: ['10.1.0.12:17320'],
    });
    nuc.detach('eth1');
    await Promise.all([first.until('unlinked'), second.until('unlinked')]);
    nuc.attach('eth1', yard);
    await Promise.all([first.until('linked', () => true, 2), second.until('linked', () => true, 2)]);
    // Between two looks at the interfaces it is swapped for another card of the same name: what is bound to the old one is deaf.
    nuc.detach('eth1');
    nuc.attach('eth1', yard);
    const ash = home.addHost('ash', { eth0: { ...yard, addresses: ['fd00:2::15/64'] } });
    await home.startAnnouncing('ash', ash, '[fd00:2::15]:17320');
    await first.until('heard', ({ server, via }) => server === 'ash' && via === 'multicast');
    report.push({ what: 'a card that comes and goes', moves: 'linked, unlinked, linked' });
  });
});
