export default { title: "usage" } as const;
