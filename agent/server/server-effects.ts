/** What the core wants, as calls on the parts that do it. */
import type { ServerEffect } from './core-events.ts';

type EffectOf<Kind extends ServerEffect['kind']> = Extract<ServerEffect, { kind: Kind }>;

/** One hand for each kind of effect. */
export type ServerHands = { readonly [Kind in ServerEffect['kind']]: (effect: EffectOf<Kind>) => void };

/** Does one effect. */
export function applyEffect(effect: ServerEffect, hands: ServerHands): void {
  if ('session' in effect || effect.kind === 'redirect') applyToSessions(effect, hands);
  else if (isForPeers(effect)) applyToPeers(effect, hands);
  else applyToSelf(effect, hands);
}

type SessionEffect = EffectOf<'welcome' | 'bye' | 'peers' | 'redirect'>;
type PeerEffect = EffectOf<'announce' | 'call' | 'forget' | 'linkedLeafs' | 'serves'>;
type SelfEffect = Exclude<ServerEffect, SessionEffect | PeerEffect>;

const peerKinds: ReadonlySet<string> = new Set<PeerEffect['kind']>([
  'announce',
  'call',
  'forget',
  'linkedLeafs',
  'serves',
]);

function isForPeers(effect: ServerEffect): effect is PeerEffect {
  return peerKinds.has(effect.kind);
}

function applyToSessions(effect: SessionEffect, hands: ServerHands): void {
  switch (effect.kind) {
    case 'welcome':
      hands.welcome(effect);
      return;
    case 'bye':
      hands.bye(effect);
      return;
    case 'peers':
      hands.peers(effect);
      return;
    case 'redirect':
      hands.redirect(effect);
  }
}

function applyToPeers(effect: PeerEffect, hands: ServerHands): void {
  switch (effect.kind) {
    case 'announce':
      hands.announce(effect);
      return;
    case 'call':
      hands.call(effect);
      return;
    case 'forget':
      hands.forget(effect);
      return;
    case 'linkedLeafs':
      hands.linkedLeafs(effect);
      return;
    case 'serves':
      hands.serves(effect);
  }
}

function applyToSelf(effect: SelfEffect, hands: ServerHands): void {
  switch (effect.kind) {
    case 'dropped':
      hands.dropped(effect);
      return;
    case 'wake':
      hands.wake(effect);
      return;
    case 'save':
      hands.save(effect);
      return;
    case 'tell':
      hands.tell(effect);
      return;
    case 'finished':
      hands.finished(effect);
  }
}
