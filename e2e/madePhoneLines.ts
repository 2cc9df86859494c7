import { newId } from "../kernel/ids.ts";
import { olenaId, systemId } from "./madePhonePeople.ts";
import { ago } from "./madePlace.ts";

/** How the made phone system reaches the world: trunks, numbers, routes, what calls cost; and whom it knows there. */
export const hoursId = newId("timeCondition");
const trunkIds = [newId("trunk"), newId("trunk")] as const;
export const numberId = newId("phoneNumber");
const list = (items: unknown[]) => () => ({ items });

const trunk = (id: string, name: string, more: object) => ({
  id,
  phoneSystemId: systemId,
  name,
  kind: "registration",
  host: "sip.operator.example",
  port: null,
  transport: "tls",
  userName: "lyceum7",
  authUserName: null,
  fromDomain: null,
  outboundProxy: null,
  registrationSeconds: 600,
  qualifySeconds: 60,
  sourceAddresses: [],
  codecs: ["pcma", "pcmu"],
  mediaEncryption: "optional",
  dtmf: "rtp",
  maxCalls: 20,
  priority: 10,
  callerIdFormat: "e164_plus",
  callerIdHeader: "p_asserted_identity",
  dialFormat: "e164_plus",
  stripDigits: 0,
  addPrefix: "",
  defaultDestination: null,
  enabled: true,
  hasPassword: true,
  state: "ready",
  stateAt: ago(300),
  createdAt: ago(9999),
  revision: 1,
  ...more,
});

const contact = (name: string, numbers: [kind: string, number: string][], more: object = {}) => ({
  id: newId("phoneContact"),
  phoneSystemId: systemId,
  name,
  company: "",
  note: "",
  numbers: numbers.map(([kind, number]) => ({ kind, number })),
  createdAt: ago(999),
  revision: 1,
  ...more,
});
export const contacts = [
  contact("Canteen", [["work", "+380441112233"]], { company: "Mriya", note: "Orders until ten in the morning." }),
  contact(
    "Mother of Ivan Petrenko",
    [
      ["mobile", "+380671234567"],
      ["work", "+380442345678"],
      ["home", "+380443456789"],
    ],
    { note: "Mornings only" },
  ),
  contact("District office for education and youth, department of buildings", [], { company: "City of Kyiv" }),
];

/** Answers about them. */
export const madePhoneLines = {
  phoneNumberList: list([
    {
      id: numberId,
      phoneSystemId: systemId,
      number: "+380441234567",
      label: "Reception",
      destination: { kind: "time_condition", id: hoursId },
      trunkId: trunkIds[0],
      language: null,
      callerNamePrefix: "",
      createdAt: ago(9999),
      revision: 1,
    },
    {
      id: newId("phoneNumber"),
      phoneSystemId: systemId,
      number: "+33142685300",
      label: "",
      destination: { kind: "extension", id: olenaId },
      trunkId: null,
      language: "fr",
      callerNamePrefix: "FR",
      createdAt: ago(9999),
      revision: 1,
    },
  ]),
  trunkList: list([
    trunk(trunkIds[0], "Operator", {}),
    trunk(trunkIds[1], "Operator in France", {
      state: "failed",
      stateReason: "sip.fr.example answers 403 Forbidden: check user name and password.",
      host: "sip.fr.example",
      port: 5080,
    }),
  ]),
  outboundRouteList: list([
    {
      id: newId("outboundRoute"),
      phoneSystemId: systemId,
      name: "Everything",
      prefixes: ["+"],
      trunks: [...trunkIds],
      strategy: "least_cost",
      priority: 100,
      callerNumber: null,
      enabled: true,
      createdAt: ago(9999),
      revision: 1,
    },
  ]),
  phoneRateList: list(
    [
      ["+380", "Ukraine", "0.015"],
      ["+33", "France", "0.021"],
      ["+48", "Poland", "0.024"],
    ].map(([prefix, label, perMinute]) => ({
      id: newId("phoneRate"),
      prefix,
      label,
      perMinute,
      connectionFee: "0",
      firstSeconds: 60,
      stepSeconds: 1,
    })),
  ),
};
