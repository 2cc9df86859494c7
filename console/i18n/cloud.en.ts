export default { title: "cloud" } as const;
