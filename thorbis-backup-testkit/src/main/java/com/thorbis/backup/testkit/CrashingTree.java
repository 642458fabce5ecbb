package com.thorbis.backup.testkit;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What a disk may hold after a power cut: a log of what was done to a tree of files, and the states
 * that a file system may be in afterwards. Content that was not forced may be lost, be there as
 * zeros, or be torn at the edge of a sector or page; a name that its folder was not forced for may
 * be lost or there, each for itself, but for changes of one name, which keep their order. A name
 * can so be there without its content. Paths are relative, with slashes; the root is the empty path
 * and exists. Used by one thread.
 */
public final class CrashingTree {
  private static final int EXHAUSTIVE = 12;
  private static final int SECTOR = 512;
  private static final int PAGE = 4096;

  private final Map<String, Node> live = new HashMap<>();
  private final Node root = new Node(0, true);
  private int nodes = 1;

  /** Starts with an empty root. */
  public CrashingTree() {
    live.put("", root);
  }

  /** A file or folder, whatever its names. */
  private static final class Node {
    private final int id;
    private final boolean folder;
    private byte[] forced = new byte[0];
    private final List<Write> unforced = new ArrayList<>();
    private final Map<String, Node> names = new TreeMap<>();
    private final Map<String, List<Change>> unforcedNames = new TreeMap<>();

    Node(int id, boolean folder) {
      this.id = id;
      this.folder = folder;
    }
  }

  private record Write(long offset, byte[] bytes) {}

  /** A name comes to mean something else, or nothing. */
  private record Change(@Nullable Node now) {}

  /**
   * What the disk may hold.
   *
   * @param files content by path
   * @param folders every folder but the root
   */
  public record State(SortedMap<String, byte[]> files, List<String> folders) {
    /** Lays it out below an empty folder. */
    public void layOut(Path root) throws IOException {
      for (String folder : folders) {
        Files.createDirectories(root.resolve(folder));
      }
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        Files.write(root.resolve(file.getKey()), file.getValue());
      }
    }

    /** Tells states apart. */
    public String digest() {
      try {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        for (String folder : folders) {
          digest.update(("d" + folder + "\n").getBytes(UTF_8));
        }
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
          digest.update(
              ("f" + file.getKey() + "\n" + file.getValue().length + "\n").getBytes(UTF_8));
          digest.update(file.getValue());
        }
        return HexFormat.of().formatHex(digest.digest());
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** A folder was made. */
  public void createFolder(String path) {
    name(path, new Node(nodes++, true));
  }

  /** An empty file was made. */
  public void createFile(String path) {
    name(path, new Node(nodes++, false));
  }

  /** Content was written. */
  public void write(String path, long offset, ByteBuffer bytes) {
    byte[] copy = new byte[bytes.remaining()];
    bytes.duplicate().get(copy);
    node(path).unforced.add(new Write(offset, copy));
  }

  /** A file's content was forced. */
  public void force(String path) {
    Node file = node(path);
    for (Write write : file.unforced) {
      file.forced = apply(file.forced, write, write.bytes().length);
    }
    file.unforced.clear();
  }

  /** A folder's names were forced. */
  public void forceFolder(String path) {
    Node folder = node(path);
    folder.unforcedNames.forEach(
        (name, changes) -> apply(folder.names, name, changes.get(changes.size() - 1)));
    folder.unforcedNames.clear();
  }

  /** A file got a second name. */
  public void link(String path, String existing) {
    name(path, node(existing));
  }

  /** A file got another name, whatever had it before. */
  public void rename(String from, String to) {
    Node file = node(from);
    live.remove(from);
    change(from, null);
    name(to, file);
  }

  /** A name was removed. */
  public void delete(String path) {
    node(path);
    live.remove(path);
    change(path, null);
  }

  /** How many changes may or may not have reached the disk. */
  public int pending() {
    int pending = 0;
    for (Node node : reachable()) {
      pending += node.unforced.size() + node.unforcedNames.size();
    }
    return pending;
  }

  /**
   * Visits the states that the disk may be in now: all of them where few changes are pending,
   * otherwise so many that the seed picks, with the two in which nothing and everything that is
   * pending has reached the disk always among them.
   *
   * @param most how many states at most
   * @param seen digests of states that were visited before; not visited again
   */
  public void states(long seed, int most, Set<String> seen, Consumer<State> visitor) {
    List<Choice> choices = choices();
    long all = 1;
    for (Choice choice : choices) {
      all = Math.min(Integer.MAX_VALUE, all * choice.options());
    }
    if (choices.size() <= EXHAUSTIVE && all <= most) {
      for (long number = 0; number < all; number++) {
        long rest = number;
        int[] picked = new int[choices.size()];
        for (int i = 0; i < picked.length; i++) {
          picked[i] = (int) (rest % choices.get(i).options());
          rest /= choices.get(i).options();
        }
        visit(choices, picked, seen, visitor);
      }
      return;
    }
    Random random = new Random(seed);
    for (int number = 0; number < most; number++) {
      int[] picked = new int[choices.size()];
      int likely = random.nextInt(101); // few, half or nearly all of what is pending
      for (int i = 0; i < picked.length; i++) {
        int options = choices.get(i).options();
        if (number == 0) {
          picked[i] = 0;
        } else if (number == 1) {
          picked[i] = options - 1;
        } else {
          picked[i] = random.nextInt(100) < likely ? 1 + random.nextInt(options - 1) : 0;
        }
      }
      visit(choices, picked, seen, visitor);
    }
  }

  /** One thing that may have reached the disk or not: a write, or what a name means. */
  private record Choice(Node node, @Nullable String name, int options) {}

  private List<Choice> choices() {
    List<Choice> choices = new ArrayList<>();
    for (Node node : reachable()) {
      for (Write write : node.unforced) {
        choices.add(new Choice(node, null, tears(write.bytes().length).length + 1));
      }
      node.unforcedNames.forEach(
          (name, changes) -> choices.add(new Choice(node, name, changes.size() + 1)));
    }
    return choices;
  }

  private void visit(
      List<Choice> choices, int[] picked, Set<String> seen, Consumer<State> visitor) {
    Map<Node, byte[]> contents = new HashMap<>();
    Map<Node, Map<String, Node>> folders = new HashMap<>();
    Map<Node, Integer> writes = new HashMap<>();
    for (int i = 0; i < picked.length; i++) {
      Choice choice = choices.get(i);
      Node node = choice.node();
      String name = choice.name();
      if (name != null) {
        if (picked[i] > 0) {
          apply(
              folders.computeIfAbsent(node, folder -> new TreeMap<>(folder.names)),
              name,
              changes(node, name).get(picked[i] - 1));
        }
        continue;
      }
      int number = writes.merge(node, 1, Integer::sum) - 1;
      Write write = node.unforced.get(number);
      if (picked[i] > 0) {
        int kept = tears(write.bytes().length)[picked[i] - 1];
        contents.put(node, apply(contents.getOrDefault(node, node.forced), write, kept));
      }
    }
    SortedMap<String, byte[]> files = new TreeMap<>();
    List<String> paths = new ArrayList<>();
    collect("", root, contents, folders, files, paths);
    State state = new State(files, paths);
    if (seen.add(state.digest())) {
      visitor.accept(state);
    }
  }

  private static List<Change> changes(Node node, String name) {
    List<Change> changes = node.unforcedNames.get(name);
    if (changes == null) {
      throw new IllegalStateException("No change of " + name);
    }
    return changes;
  }

  private static void collect(
      String path,
      Node folder,
      Map<Node, byte[]> contents,
      Map<Node, Map<String, Node>> folders,
      SortedMap<String, byte[]> files,
      List<String> paths) {
    folders
        .getOrDefault(folder, folder.names)
        .forEach(
            (name, node) -> {
              String below = path.isEmpty() ? name : path + "/" + name;
              if (node.folder) {
                paths.add(below);
                collect(below, node, contents, folders, files, paths);
              } else {
                files.put(below, contents.getOrDefault(node, node.forced));
              }
            });
  }

  /** How much of a write may have reached the disk; -1 is the length alone, as zeros. */
  private static int[] tears(int length) {
    Set<Integer> tears = new HashSet<>();
    tears.add(-1);
    tears.add(Math.min(length, SECTOR));
    tears.add(length / 2 / SECTOR * SECTOR);
    tears.add(length / 2 / PAGE * PAGE);
    tears.add((length - 1) / SECTOR * SECTOR);
    tears.remove(0);
    tears.remove(length);
    int[] sorted = tears.stream().mapToInt(Integer::intValue).sorted().toArray();
    int[] withAll = Arrays.copyOf(sorted, sorted.length + 1);
    withAll[sorted.length] = length;
    return withAll;
  }

  private static byte[] apply(byte[] before, Write write, int kept) {
    int length = kept < 0 ? write.bytes().length : kept;
    int end = Math.toIntExact(write.offset() + length);
    byte[] after = Arrays.copyOf(before, Math.max(before.length, end));
    if (kept > 0) {
      System.arraycopy(write.bytes(), 0, after, (int) write.offset(), kept);
    }
    return after;
  }

  private static void apply(Map<String, Node> names, String name, Change change) {
    Node now = change.now();
    if (now == null) {
      names.remove(name);
    } else {
      names.put(name, now);
    }
  }

  private void name(String path, Node node) {
    live.put(path, node);
    change(path, node);
  }

  private void change(String path, @Nullable Node now) {
    int slash = path.lastIndexOf('/');
    Node folder = node(slash < 0 ? "" : path.substring(0, slash));
    folder
        .unforcedNames
        .computeIfAbsent(path.substring(slash + 1), name -> new ArrayList<>())
        .add(new Change(now));
  }

  private Node node(String path) {
    Node node = live.get(path);
    if (node == null) {
      throw new IllegalArgumentException("No such file or folder: \"" + path + "\"");
    }
    return node;
  }

  /** Everything that has a name in some state, in the order in which it was made. */
  private List<Node> reachable() {
    Map<Integer, Node> found = new TreeMap<>();
    reach(root, found);
    return List.copyOf(found.values());
  }

  private static void reach(Node node, Map<Integer, Node> found) {
    if (found.put(node.id, node) == null) {
      node.names.values().forEach(child -> reach(child, found));
      node.unforcedNames
          .values()
          .forEach(
              changes ->
                  changes.forEach(
                      change -> {
                        if (change.now() != null) {
                          reach(change.now(), found);
                        }
                      }));
    }
  }
}
