import { IconNetwork } from "@tabler/icons-react";
import { type ServicePages, servicePages } from "../../frame/registry.ts";

const areas = ["networks"] as const;

const pages: ServicePages = servicePages({
  pages: [
    { scope: "project", path: "networks", title: "frame.nav.networks", load: () => import("./NetworksPage.tsx"), areas },
    { scope: "project", path: "networks/$network", title: "networks.network", load: () => import("./NetworkPage.tsx"), areas },
    {
      scope: "project",
      path: "security-groups",
      title: "networks.tab.security-groups",
      load: () => import("./SecurityGroupsPage.tsx"),
      areas,
    },
    {
      scope: "project",
      path: "security-groups/$group",
      title: "networks.tab.security-groups",
      load: () => import("./SecurityGroupPage.tsx"),
      areas,
    },
    { scope: "project", path: "addresses", title: "networks.tab.addresses", load: () => import("./AddressesPage.tsx"), areas },
    {
      scope: "project",
      path: "port-forwards",
      title: "networks.tab.port-forwards",
      load: () => import("./PortForwardsPage.tsx"),
      areas,
    },
    {
      scope: "project",
      path: "load-balancers",
      title: "networks.tab.load-balancers",
      load: () => import("./LoadBalancersPage.tsx"),
      areas,
    },
  ],
  navigation: [
    {
      section: "servers",
      order: 4,
      label: "frame.nav.networks",
      icon: IconNetwork,
      scope: "project",
      path: "networks",
      requires: "viewer",
    },
  ],
  events: {
    "compute.network.changed": ["networkList", "networkGet"],
    "compute.port.changed": ["portList", "networkList", "networkGet", "instanceGet"],
    "compute.security_group.changed": ["securityGroupList", "securityGroupGet"],
    "compute.address_pool.changed": ["addressPoolList"],
    "compute.address.changed": ["addressList", "portList", "instanceGet", "instanceList", "addressPoolList"],
    "compute.port_forward.changed": ["portForwardList"],
    "compute.load_balancer.changed": ["loadBalancerList"],
  },
});

export default pages;
