/** Every reason of a HomeServer's and a CameraClient's conditions: what it means and what to do. docs/conditions.md shows it. */
import type { Condition } from '../../crds/metadata.ts';

/** One reason: the condition's status follows from it. */
export interface ReasonNote {
  readonly status: Condition['status'];
  /** What is so, for a reader who sees this reason. */
  readonly means: string;
  /** What to do; absent where all is well. */
  readonly todo?: string;
}

const wait = 'Wait; where it stays so for a minute, look at the agent’s log.';
const agentLog = 'kubectl -n homing-system logs on the agent’s pod';

/** Reasons of a HomeServer's conditions, by type. */
export const homeServerReasons = {
  Ready: {
    AgentReady: { status: 'True', means: 'Its agent is connected and announces every feature it should.' },
    AgentNeverSeen: {
      status: 'False',
      means: 'No agent of this name has reported yet.',
      todo: 'See whether the DaemonSet’s pod on that node runs; an external server needs `homing agent --operator`.',
    },
    AgentLost: {
      status: 'False',
      means: 'Its agent was connected and has been silent for 30 seconds.',
      todo: 'See whether the machine is on and reaches the operator’s port 17330; cameras have moved by themselves.',
    },
    NodeNotFound: {
      status: 'False',
      means: 'There is no node of this name, and the HomeServer is not external.',
      todo: 'Name it after a node, set spec.external for a machine outside the cluster, or delete it.',
    },
    FeaturesMissing: {
      status: 'False',
      means: 'Features that it should announce have failed their live check.',
      todo: 'Look at the disk or the sink that is named; the feature comes back after 60 seconds of health.',
    },
    ResourcesRefused: {
      status: 'False',
      means: 'Its agent does not use the last resources it was sent.',
      todo: 'Correct what the message names; until then the agent goes on with what it had.',
    },
    DuplicateIdentifier: {
      status: 'False',
      means: 'An older HomeServer has the same identifier.',
      todo: 'Delete one of them; an identifier is fixed at creation.',
    },
    DuplicateKey: {
      status: 'False',
      means: 'An older resource pins the same public key.',
      todo: 'Give each its own key: run the second machine with its own --state.',
    },
    KeyInUse: {
      status: 'False',
      means: 'Another key asked for this server’s certificate while the present one is connected.',
      todo: 'Where you did not reinstall the machine, somebody else has a token of that pod: look who. Else wait until the old agent is gone.',
    },
    Invalid: {
      status: 'False',
      means: 'This version of the operator cannot read the resource.',
      todo: 'Correct the field that is named, or update CRDs and operator together.',
    },
  },
  Heard: {
    HeardByAll: { status: 'True', means: 'Every other server that reports hears and trusts it.' },
    Alone: { status: 'True', means: 'No other server is there to hear it.' },
    Listening: {
      status: 'Unknown',
      means: 'No other server has heard it yet, and it is too early to say that none does.',
      todo: wait,
    },
    NotHeardBySome: {
      status: 'False',
      means: 'For 60 seconds some servers have not heard it.',
      todo: 'Let UDP 17320 (multicast) and TCP 17320 through between these machines, or list them in spec.peers.',
    },
    NotHeardByAnyone: {
      status: 'False',
      means: 'For 60 seconds no other server has heard it.',
      todo: 'Let UDP 17320 (multicast) and TCP 17320 through between these machines, or list them in spec.peers.',
    },
    Unreported: { status: 'Unknown', means: 'Its own agent does not report.', todo: wait },
  },
  Drained: {
    NotDraining: { status: 'False', means: 'It takes clients.' },
    Draining: { status: 'False', means: 'Its clients are on their way to other servers.', todo: wait },
    NobodyElse: {
      status: 'False',
      means: 'It is to be drained, and no other server takes its clients.',
      todo: 'Let another server in, or accept that these cameras are not recorded meanwhile.',
    },
    Drained: { status: 'True', means: 'It is to be drained and has no client any more.' },
    Unreported: { status: 'Unknown', means: 'Its agent does not report.', todo: wait },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, ReasonNote>>>>;

const failedCamera = 'Correct what the message names at the camera or in spec.source.';

/** Reasons of a CameraClient's conditions, by type. */
export const cameraClientReasons = {
  Ready: {
    Streaming: { status: 'True', means: 'Its source gives bytes and a server takes them.' },
    Suspended: { status: 'True', means: 'It is suspended, as spec.suspend asks: no server takes it.' },
    SourceNotReady: {
      status: 'False',
      means: 'The camera gives nothing.',
      todo: 'Condition SourceReady says why.',
    },
    NotPlaced: {
      status: 'False',
      means: 'No server takes it, or none that has what it requires.',
      todo: 'Condition Placed says why.',
    },
    NoBridge: {
      status: 'False',
      means: 'No server is there that could open the camera.',
      todo: 'Let a node enrol; with spec.bridge.servers, name HomeServers that are there.',
    },
    BridgeNotFound: {
      status: 'False',
      means: 'spec.bridge.servers names no HomeServer that is there.',
      todo: 'Name one of those that the message lists, or leave spec.bridge.servers out: the operator then chooses.',
    },
    BridgeLost: {
      status: 'False',
      means: 'The agent that holds the camera’s session is silent.',
      todo: 'See whether that machine is on. Whatever it streams still arrives while it lives.',
    },
    BridgeRefused: {
      status: 'False',
      means: 'The agent cannot run this camera as it is written.',
      todo: 'Correct what the message names: it is the agent’s own words.',
    },
    SecretNotFound: {
      status: 'False',
      means: 'The Secret of spec.source.credentialsRef is not there.',
      todo: 'Create it in the camera’s namespace with username and password. Credentials known before stay in use.',
    },
    SecretIncomplete: {
      status: 'False',
      means: 'The Secret of spec.source.credentialsRef has no username or no password.',
      todo: 'Add the missing key. Credentials known before stay in use.',
    },
    SecretUnreadable: {
      status: 'False',
      means: 'The operator may not read the Secret of spec.source.credentialsRef.',
      todo: 'Grant the operator get on it (the chart’s rbac values), then wait a minute.',
    },
    DuplicateIdentifier: {
      status: 'False',
      means: 'An older CameraClient has the same identifier.',
      todo: 'Delete one of them; an identifier is fixed at creation.',
    },
    DuplicateKey: {
      status: 'False',
      means: 'An older resource pins the same public key.',
      todo: 'Give each its own key: run the second client with its own --state.',
    },
    KeyInUse: {
      status: 'False',
      means: 'Another key asked for this camera’s certificate while the present one is connected.',
      todo: 'Where you did not move the client to another machine, somebody else uses its name: look who.',
    },
    NeverSeen: {
      status: 'False',
      means: 'This native client has never been seen at a server.',
      todo: 'Start it with `homing connect`; its key must be the one of spec.source.native.publicKey.',
    },
    Invalid: {
      status: 'False',
      means: 'This version of the operator cannot read the resource.',
      todo: 'Correct the field that is named, or update CRDs and operator together.',
    },
  },
  SourceReady: {
    Reading: { status: 'True', means: 'The camera gives bytes.' },
    Playing: { status: 'True', means: 'The file or the test picture plays.' },
    NotKept: { status: 'True', means: 'It gives bytes; the copy that was asked for is not written.' },
    Native: { status: 'True', means: 'The client connects by itself.' },
    Starting: { status: 'Unknown', means: 'The camera has not said anything yet.', todo: wait },
    Suspended: { status: 'Unknown', means: 'It is suspended: nobody opens the camera.' },
    Unreported: {
      status: 'Unknown',
      means: 'The agent that opens the camera does not report.',
      todo: 'Ready says which agent.',
    },
    Unauthorized: {
      status: 'False',
      means: 'The camera refuses user or password.',
      todo: 'Correct the Secret.',
    },
    NotFound: { status: 'False', means: 'The camera has no stream of this path.', todo: 'Correct the URL.' },
    Busy: {
      status: 'False',
      means: 'The camera has no session left.',
      todo: 'Close what else reads from it; others can read it from Homing.',
    },
    Refused: { status: 'False', means: 'Nothing listens at the camera’s address.', todo: failedCamera },
    Unreachable: { status: 'False', means: 'There is no way to the camera’s address.', todo: failedCamera },
    TimedOut: { status: 'False', means: 'The camera does not answer.', todo: failedCamera },
    NothingToRead: {
      status: 'False',
      means: 'The camera sends neither video nor audio.',
      todo: failedCamera,
    },
    NoDecodingTimes: {
      status: 'False',
      means: 'The camera’s B-frames come without decoding times.',
      todo: 'Switch B-frames off in the camera.',
    },
    FfmpegMissing: {
      status: 'False',
      means: 'The machine of the agent has no ffmpeg.',
      todo: 'Install it there; the image has one.',
    },
    Silent: { status: 'False', means: 'The camera has stopped sending.', todo: failedCamera },
    Ended: { status: 'False', means: 'The stream has ended.', todo: failedCamera },
    ReadFailed: { status: 'False', means: 'The file or pipe cannot be read.', todo: failedCamera },
    Failed: {
      status: 'False',
      means: 'The camera cannot be read, for the reason in the message.',
      todo: failedCamera,
    },
  },
  Placed: {
    Placed: { status: 'True', means: 'A server takes its bytes.' },
    Suspended: { status: 'False', means: 'It is suspended.' },
    RequirementsUnmet: {
      status: 'False',
      means: 'It is at a server, or at none, that has not all that spec.selection.requires names.',
      todo: 'Give a server that feature, or require less.',
    },
    NoRoom: {
      status: 'False',
      means: 'Every server that could take it is full or draining.',
      todo: 'Raise spec.max of a HomeServer, or add a server.',
    },
    NoServer: {
      status: 'False',
      means: 'It has no server, though one could take it.',
      todo: `Wait some seconds; then see what its bridge says: ${agentLog}.`,
    },
    Unreported: { status: 'Unknown', means: 'Nobody who would know reports.', todo: wait },
  },
  BufferSufficient: {
    RingHolds: { status: 'True', means: 'The agent’s ring holds all that is not durable yet.' },
    RingShort: {
      status: 'False',
      means:
        'More is not durable than this camera’s share of the ring holds: a loss of its server now would lose frames.',
      todo: 'Look at the server’s disk (durable lags), give the agent more ring, or bridge fewer cameras there.',
    },
    Unreported: { status: 'Unknown', means: 'The agent that holds the ring does not report.' },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, ReasonNote>>>>;
