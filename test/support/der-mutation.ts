/** Broken copies of good DER whose lengths fit again, so that they get past the first reader. */
import { DerReader, type DerValue, contentOf, parseDer, wholeOf } from '../../protocol/der.ts';
import { encodeDer } from './der-encoding.ts';

/** One change somewhere in the tree: a value is dropped, doubled, swapped with another, retagged, or its bytes changed. */
export function mutateDer(good: Uint8Array, others: readonly Uint8Array[], random: () => number): Buffer {
  const value = parseDer(good);
  if (value === undefined) throw new Error('mutating DER: it is none');
  const donors = [...listValues(value), ...others.flatMap((other) => listValues(parseDer(other)))];
  const targets = listValues(value);
  const target = targets[Math.floor(random() * targets.length)] ?? value;
  return rewrite(value, target, () => change(target, donors, random));
}

function listValues(value: DerValue | undefined): readonly DerValue[] {
  return value === undefined ? [] : [value, ...childrenOf(value).flatMap((child) => listValues(child))];
}

function childrenOf(value: DerValue): readonly DerValue[] {
  const reader = new DerReader(value);
  const children: DerValue[] = [];
  for (let child = reader.takeAny(); child.tag !== -1; child = reader.takeAny()) children.push(child);
  return children;
}

/** The value again, with `target` replaced and every length around it made right. */
function rewrite(value: DerValue, target: DerValue, replace: () => Buffer): Buffer {
  if (value.start === target.start && value.end === target.end) return replace();
  if (target.start < value.start || target.end > value.end) return Buffer.from(wholeOf(value));
  return encodeDer(value.tag, ...childrenOf(value).map((child) => rewrite(child, target, replace)));
}

function change(target: DerValue, donors: readonly DerValue[], random: () => number): Buffer {
  const whole = Buffer.from(wholeOf(target));
  const content = Buffer.from(contentOf(target));
  const donor = donors[Math.floor(random() * donors.length)] ?? target;
  switch (Math.floor(random() * 7)) {
    case 0:
      return Buffer.alloc(0);
    case 1:
      return Buffer.concat([whole, whole]);
    case 2:
      return Buffer.from(wholeOf(donor));
    case 3:
      return encodeDer(donor.tag, content);
    case 4:
      return encodeDer(target.tag, contentOf(donor));
    case 5:
      return encodeDer(target.tag, content.subarray(0, Math.floor(random() * content.length)));
    default: {
      const at = Math.floor(random() * content.length);
      content[at] = Math.floor(random() * 256);
      return encodeDer(target.tag, content);
    }
  }
}
