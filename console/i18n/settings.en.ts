export default { title: "settings" } as const;
