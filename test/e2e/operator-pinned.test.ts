import { afterAll, beforeAll, expect, it } from 'vitest';
import { AgentProcess, freePorts, HomingProcess } from '../support/agent-process.ts';
import { openClusterHome, reasonOf, type ClusterHome } from '../support/cluster-home.ts';
import { describeWith } from '../support/needs.ts';

describeWith(['go', 'openssl'], 'machines that are pinned by their key', () => {
  let home: ClusterHome;
  const started: HomingProcess[] = [];

  beforeAll(async () => {
    home = await openClusterHome();
    await home.startOperator();
    await home.addServer('pi', { features: ['record'] });
    await home.startAgent('pi');
    await home.untilReason('homeserver', 'pi', 'Ready', 'AgentReady');
  });
  afterAll(async () => {
    await Promise.all(started.map((process) => process.end('SIGKILL')));
    await home.close();
  });

  /** What a machine that nobody knows yet is told: the pin to put into Git. */
  const pinAskedFor = async (known: readonly string[]): Promise<string> => {
    const pins = () =>
      home.events.flatMap((event) =>
        event.event === 'refused'
          ? (/sha256:[0-9a-f]{64}/.exec(`${event.client} ${event.message}`) ?? [])
          : [],
      );
    await expect.poll(() => pins().some((pin) => !known.includes(pin)), { timeout: 30_000 }).toBe(true);
    return pins().find((pin) => !known.includes(pin)) ?? '';
  };
  const common = () => ['--operator', `127.0.0.1:${home.operatorPort}`, '--ca', `${home.directory}/ca.crt`];

  let pin = '';

  it('are refused with the pin to write down, and streamed as soon as it is there', async () => {
    const own = ['--name', 'cams/meter', '--state', `${home.directory}/meter`];
    const source = ['--source', 'test', '--discover', '--interface', 'lo'];
    const meter = new HomingProcess('connect', [...common(), ...own, ...source]);
    started.push(meter);
    pin = await pinAskedFor([]);
    await home.camera('meter', { source: { native: { publicKey: pin } } });
    const seen = await home.untilReason('cameraclient', 'meter', 'Ready', 'Streaming');
    expect(seen.status).toMatchObject({ server: 'pi' });
    expect(reasonOf(seen, 'SourceReady')).toBe('Native');
    expect(seen.status).not.toHaveProperty('bridge');
  });

  it('may be servers outside the cluster too: better ones get the cameras', async () => {
    const [port = 0] = await freePorts(1);
    const shed = new AgentProcess([...common(), '--name', 'shed', '--state', `${home.directory}/shed`]);
    started.push(shed);
    const own = await pinAskedFor([pin]);
    await home.homeServer('shed', {
      external: { publicKey: own },
      features: ['record', 'gpu'],
      listen: { port },
      announce: { interfaces: ['lo'], interval: '1s' },
      sinks: [{ name: 'record', record: { keepFree: '1Mi' } }],
    });
    const ready = await home.untilReason('homeserver', 'shed', 'Ready', 'AgentReady');
    expect(ready.status).toMatchObject({ level: 2 });
    const meter = await home.until('cameraclient', 'meter', ({ status }) => status?.['server'] === 'shed');
    expect(meter.status?.['framesLost'] ?? 0).toBe(0);
  });

  it('are cut off when their pin is another one, and nobody else is', async () => {
    await home.homeServer('shed', { external: { publicKey: `sha256:${'0'.repeat(64)}` } });
    const meter = await home.until('cameraclient', 'meter', ({ status }) => status?.['server'] === 'pi');
    expect(reasonOf(meter, 'Ready')).toBe('Streaming');
    expect(reasonOf(await home.get('homeserver', 'pi'), 'Ready')).toBe('AgentReady');
  });
});
